"""
Many runners, one store, one seed: days of trouble in seconds, and a judge at the end.

*Theory.* Everything that may differ between two runs of a program is drawn from one seed: which process dies at which
step, when the store is away, how the providers answer, what the operators do. Time is virtual, the store answers
without waiting, and asyncio runs what is ready in the order in which it became so. A seed therefore is a whole
history, and a failure is a number to run again. (Trio draws the order of what is ready by itself: there the same world
is checked by the same rules, without exact replay.)

Two modes, after TigerBeetle's simulator. In *safety* faults never end, and only what must hold at every instant is
asserted. In *liveness* faults end half-way, the world heals, people undo their own holds, and after a stated time
every task must be back: that is when "not yet" becomes "never".
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from datetime import timedelta
from inspect import isawaitable
from random import Random
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from taskwarden.core.registry import ExecutorRegistry
from taskwarden.manage import Warden
from taskwarden.runner import Runner
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.clock import VirtualClock
from taskwarden.testing.simulation.chaos import Chaos
from taskwarden.testing.simulation.checker import Violation, check_recovery, check_safety
from taskwarden.testing.simulation.faults import CALM, HARSH, Faults
from taskwarden.testing.simulation.history import Ended, Entry
from taskwarden.testing.simulation.operators import Operators
from taskwarden.testing.simulation.process import Crashed, Process
from taskwarden.testing.simulation.recorder import Recorder
from taskwarden.testing.simulation.trace import Trace
from taskwarden.testing.simulation.world import PERIODS, World, executors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskwarden.core.change import Change
    from taskwarden.core.protocols import Clock, FailurePolicy
    from taskwarden.core.store import Store

__all__ = ["Mode", "Report", "Simulation", "SimulationFailed", "simulate"]

RECOVERY: Final = timedelta(days=4)
"""Within this after the last fault every task is back: the longest delay of ``standard()`` is a day, and it takes two
successes to be healthy again."""
_SLACK: Final = timedelta(minutes=5)
_HORIZON: Final = timedelta(days=1)
_PAGE: Final = 1_000


class Mode(enum.Enum):
    """What is asserted."""

    SAFETY = "safety"
    """Faults without end; what must hold at every instant."""
    LIVENESS = "liveness"
    """Faults end; what must be again after a stated time, besides safety."""


class SimulationFailed(AssertionError):
    """A promise was broken. The text holds the seed, which repeats it, and what happened last."""


@attrs.frozen(kw_only=True)
class Report:
    """
    What came out of one simulation.

    Args:
        digest: The hash of the whole trace: equal for two runs of one seed.
        runs: How many completions were written.
        violations: The broken promises; empty if all were kept.
        tail: The last lines of the trace.
        history: What happened to the store.
    """

    seed: int
    mode: Mode
    digest: str
    runs: int
    violations: tuple[Violation, ...]
    tail: tuple[str, ...] = attrs.field(repr=False)
    history: Sequence[Entry] = attrs.field(repr=False)

    def check(self) -> None:
        """
        Do nothing, if all promises were kept.

        Raises:
            SimulationFailed: One was not.
        """
        if self.violations:
            broken = "\n  ".join(map(str, self.violations[:10]))
            tail = "\n  ".join(self.tail)
            more = f"{len(self.violations)} broken promises"
            repeat = f"simulate({self.seed}, mode={self.mode})"
            raise SimulationFailed(f"seed {self.seed}: {more}; repeat it with {repeat}\n  {broken}\n\n  {tail}")


StoreFactory = Callable[["Clock"], "Store | Awaitable[Store]"]


@attrs.frozen(kw_only=True)
class Simulation:
    """
    One world and what may go wrong in it.

    Args:
        seed: Decides everything else.
        hosts: How many processes run a runner.
        tenants: How many tenants have tasks: six each.
        length: How long faults last, in virtual time.
        store: Makes the store over a clock. It must answer without waiting, as the memory store does: see ``Recorder``.
        policy: The failure policy; None: ``standard()``.
    """

    seed: int
    mode: Mode = Mode.SAFETY
    hosts: int = 3
    tenants: int = 3
    length: timedelta = timedelta(days=2)
    faults: Faults = HARSH
    store: StoreFactory = MemoryStore
    policy: FailurePolicy | None = None

    async def run(self) -> Report:
        """Run it in this event loop, and report. Raises nothing of its own: see ``Report.check``."""
        clock = VirtualClock()
        made = self.store(clock)
        recorder = Recorder(await made if isawaitable(made) else made, clock)
        run = _Run(self, clock, recorder)
        async with clock.autojump():
            await run.play()
        history = recorder.history
        violations = [*run.fallen, *check_safety(history, periods=PERIODS)]
        if run.healed_at is not None:
            violations += check_recovery(history, healed_at=run.healed_at, slack=_SLACK, horizon=_HORIZON)
        ended = history[-1]
        assert isinstance(ended, Ended)
        return Report(
            seed=self.seed,
            mode=self.mode,
            digest=run.trace.hexdigest(),
            runs=sum(tally.runs for tallies in ended.tallies.values() for tally in tallies),
            violations=tuple(violations),
            tail=run.trace.tail,
            history=history,
        )


def simulate(seed: int, *, mode: Mode = Mode.SAFETY, length: timedelta = timedelta(days=2)) -> Report:
    """Run one simulation in an asyncio loop of its own, where a seed is replayed exactly, and report."""
    return anyio.run(Simulation(seed=seed, mode=mode, length=length).run, backend="asyncio")


class _Run:
    """One run of a simulation."""

    def __init__(self, plan: Simulation, clock: VirtualClock, recorder: Recorder) -> None:
        self.plan, self.clock, self.recorder = plan, clock, recorder
        self.trace = Trace(clock)
        self.world = World(plan.seed, plan.length, recorder)
        self.chaos = Chaos(plan.faults, Random(f"{plan.seed}:chaos"), recorder, self.trace)
        self.fallen: list[Violation] = []
        self.healed_at = None if plan.mode is Mode.SAFETY else clock.now()

    async def play(self) -> None:
        """Play it from the first task to what the store holds at the end."""
        people = self._process("operators", CALM)
        async with Warden.open(
            self.recorder.store, executors=executors(self.world, people), policy=self.plan.policy, clock=self.clock
        ) as warden:
            operators = Operators(
                warden, seed=self.plan.seed, tenants=self.plan.tenants, recorder=self.recorder, trace=self.trace
            )
            self.world.meddle = operators.meddle
            await operators.settle_in()
            async with anyio.create_task_group() as tg:
                for number in range(self.plan.hosts):
                    tg.start_soon(self._host, f"host{number}")
                await self._trouble(operators)
                if self.plan.mode is Mode.LIVENESS:
                    self.chaos.heal()
                    self.world.heal()
                    await operators.tidy_up()
                    self.healed_at = self.clock.now()
                    self.trace.add("world", "heals")
                    await self.clock.sleep(RECOVERY)
                # Nothing may happen to the store while it is read.
                self.chaos.cut()
                await self._read(operators)
                tg.cancel_scope.cancel()

    async def _trouble(self, operators: Operators) -> None:
        async with anyio.create_task_group() as tg:
            tg.start_soon(operators.act)
            tg.start_soon(self.chaos.reign)
            await self.clock.sleep(self.plan.length)
            tg.cancel_scope.cancel()

    async def _host(self, name: str) -> None:
        """Start the runner's process again and again, as a supervisor does."""
        life = 0
        while not self.chaos.over:
            life += 1
            process = self._process(f"{name}.{life}", self.chaos.faults)
            with self.chaos.among(process):
                await self._live(process)
            await self.clock.sleep(timedelta(seconds=process.rng.uniform(1, 120)))

    async def _live(self, process: Process) -> None:
        registry = ExecutorRegistry(executors(self.world, process))
        runner = Runner(process.store, registry, name=process.name, concurrency=6, clock=process.clock)
        if self.plan.policy is not None:
            runner.policy = self.plan.policy
        process.stop = runner.stop
        self.trace.add(process.name, "starts")
        try:
            with process.scope:
                await runner.run()
        except BaseException as error:
            if not _is_crash(error):
                if isinstance(error, Exception):
                    self.trace.add(process.name, f"falls with {error!r}")
                    self.fallen.append(Violation("a runner does not fall", repr(error), len(self.recorder.history)))
                raise
        self.trace.add(process.name, "ends")

    def _process(self, name: str, faults: Faults) -> Process:
        return Process(
            name,
            seed=str(self.plan.seed),
            store=self.recorder.store,
            clock=self.clock,
            faults=faults,
            trace=self.trace,
            outage=lambda: self.chaos.outage,
        )

    async def _read(self, operators: Operators) -> None:
        """Write down what the store holds."""
        store = self.recorder.store
        ids = [tenant.id for tenant in operators.tenants]
        runs = {}
        for tenant in ids:
            pages = [await store.runs(tenant, task_id=None, before=None, limit=_PAGE)]
            while pages[-1]:
                pages.append(await store.runs(tenant, task_id=None, before=pages[-1][-1].id, limit=_PAGE))
            runs[tenant] = [run for page in pages for run in page]
        feed: list[Change] = []
        cursor = 0
        while (page := await store.changes(cursor, limit=_PAGE)).changes:
            feed += page.changes
            cursor = page.cursor
        ended = Ended(
            at=self.clock.now(),
            tasks={
                tenant: await store.tasks(tenant, kind=None, status=None, after=None, limit=_PAGE) for tenant in ids
            },
            runs=runs,
            tallies={tenant: await store.tallies(tenant) for tenant in ids},
            feed=feed,
        )
        self.recorder.history.append(ended)


def _is_crash(error: BaseException) -> bool:
    """Tell whether all that came out of a dead process is that it died."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_crash(each) for each in error.exceptions)
    return isinstance(error, Crashed)
