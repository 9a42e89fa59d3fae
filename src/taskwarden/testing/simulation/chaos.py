"""What happens to processes, to the store and to its clock from outside, at moments drawn from the seed."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from taskwarden.testing.simulation.faults import CALM, Faults, drawn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from anyio.abc import TaskGroup

    from taskwarden.testing.simulation.process import Process
    from taskwarden.testing.simulation.recorder import Recorder
    from taskwarden.testing.simulation.trace import Trace

__all__ = ["Chaos"]


class Chaos:
    """Draws what goes wrong next, and lets it end again."""

    def __init__(self, faults: Faults, rng: Random, recorder: Recorder, trace: Trace) -> None:
        self.faults = faults
        self.outage = False
        self.over = False
        self._rng, self._recorder, self._clock, self._trace = rng, recorder, recorder.clock, trace
        self._living: dict[str, Process] = {}

    @contextmanager
    def among(self, process: Process) -> Iterator[None]:
        """Count *process* among those that something may happen to."""
        self._living[process.name] = process
        try:
            yield
        finally:
            del self._living[process.name]

    async def reign(self) -> None:
        """Let things go wrong until cancelled."""
        if self.faults.every is None:
            return
        pause = self.faults.every.total_seconds()
        names, weights = list(self.faults.events), list(self.faults.events.values())
        async with anyio.create_task_group() as tg:
            while True:
                await self._clock.sleep(timedelta(seconds=self._rng.expovariate(1 / pause)))
                self._happen(self._rng.choices(names, weights)[0], tg)

    def heal(self) -> None:
        """From now on nothing goes wrong."""
        self.faults = CALM
        self.outage = False
        for process in self._living.values():
            process.heal()

    def cut(self) -> None:
        """End the world: no process lives on, and none is started again."""
        self.over = True
        for process in list(self._living.values()):
            process.crash("with the world")

    def _happen(self, what: str, tg: TaskGroup) -> None:
        process = self._rng.choice([*self._living.values(), None])
        lasting = drawn(self._rng, self.faults.longest)
        if process is not None or what in {"outage", "backward", "forward"}:
            self._trace.add("chaos", f"{what} {process.name if process else ''} {lasting}")
        match what:
            case "outage":
                tg.start_soon(self._outage, lasting)
            case "backward":
                self._recorder.jump(-drawn(self._rng, self.faults.longest_jump))
            case "forward":
                self._recorder.jump(drawn(self._rng, self.faults.longest_jump))
            case _ if process is None:
                pass
            case "partition":
                tg.start_soon(self._partition, process, lasting)
            case "freeze":
                tg.start_soon(self._freeze, process, lasting)
            case "crash":
                process.crash("from outside")
            case "restart":
                process.stop()
            case _:
                raise ValueError(f"faults know no event {what!r}")

    async def _outage(self, lasting: timedelta) -> None:
        self.outage = True
        await self._clock.sleep(lasting)
        self.outage = False

    async def _partition(self, process: Process, lasting: timedelta) -> None:
        process.partitioned = True
        await self._clock.sleep(lasting)
        process.partitioned = False

    async def _freeze(self, process: Process, lasting: timedelta) -> None:
        process.freeze()
        await self._clock.sleep(lasting)
        process.thaw()
