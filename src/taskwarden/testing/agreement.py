"""
Agreement: whatever happens to them, two stores look the same.

Hypothesis makes up the story and tells it to all stores at once; after each step everything that can be read is
compared. Where the contract leaves an order open, between tenants' turns, nothing is made to depend on it: claims go on
until nothing is left, and kinds with a cap belong to one tenant each. Instants are unique, so that nothing ties.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, TypeAlias

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from taskwarden.core.change import ChangeName
from taskwarden.core.claim import Claim, Claims, Completion, Receipt
from taskwarden.core.decision import Effect, Level, Notify, OpenIncident, ResolveIncident
from taskwarden.core.failure import Failure
from taskwarden.core.health import Phase
from taskwarden.core.outcome import Failed, Interrupted, Lost, Outcome, Skipped, Snoozed, Succeeded
from taskwarden.core.protocols import Ensured, EnsuredAs, TaskSpec
from taskwarden.core.task import Priority
from taskwarden.ids import Kind, RunnerId, TaskId, TenantId
from taskwarden.testing.builders import EVERY_FIELD, completed, deferred, retried, spec
from taskwarden.testing.clock import VirtualClock
from taskwarden.testing.lockstep import Factory, Lockstep, Side

__all__ = ["AgreementMachine"]

Name: TypeAlias = "tuple[TenantId, Kind, str]"
Held: TypeAlias = "tuple[Claim, ...]"
"""One claim as each store gave it, in the order of the stores."""

TENANTS: Final = (TenantId("alice"), TenantId("bob"))
SHARED: Final = Kind("shared")
OWN: Final = {tenant: Kind(f"of.{tenant}") for tenant in TENANTS}
KINDS: Final = (SHARED, *OWN.values())
RUNNERS: Final = (RunnerId("first"), RunnerId("second"))
NAMES: Final[tuple[Name, ...]] = tuple(
    (tenant, kind, key) for tenant in TENANTS for kind, key in ((SHARED, "a"), (OWN[tenant], "b"), (OWN[tenant], "c"))
)
LEASE: Final = timedelta(seconds=60)
SECOND: Final = timedelta(seconds=1)
MOMENT: Final = timedelta(microseconds=1)
EFFECTS: Final[tuple[Effect, ...]] = (
    OpenIncident("down", "network_error", "down"),
    OpenIncident("odd", "unknown", "odd", Level.ERROR),
    ResolveIncident("down"),
    Notify(Level.INFO, "code", "look"),
)
OUTCOMES: Final[tuple[Outcome, ...]] = (
    Succeeded(),
    Failed(Failure("network_error.timeout", "no answer")),
    Failed(Failure("auth_error.revoked")),
    Skipped("nothing to do"),
    Snoozed(datetime(2027, 1, 1, tzinfo=UTC), "later"),
    Interrupted("stopping"),
    Lost(),
)

seconds = st.integers(-600, 600).map(lambda value: SECOND * value)
tenants = st.sampled_from(TENANTS)
names = st.sampled_from(NAMES)
indexes = st.integers(0, 30)
caps = st.none() | st.integers(1, 3)


class AgreementMachine(RuleBasedStateMachine):
    """
    The story. Subclass it, say which stores, and give its ``TestCase`` to pytest.

    Example::

        class MyStoreAgrees(AgreementMachine):
            stores = {"memory": open_memory, "mine": open_mine}
            suspends = True


        TestMyStoreAgrees = MyStoreAgrees.TestCase

    Attributes:
        stores: How to open each, fresh and empty, by its name in messages; the first is the reference.
        suspends: Whether some store really waits, for a database or a thread.
    """

    stores: ClassVar[dict[str, Factory]]
    suspends: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.latest = self.clock.now()
        self.moments = 0
        self.called: dict[Name, str] = {}
        self.held: list[Held] = []
        self.all = Lockstep(self.stores, self.clock, suspends=self.suspends)

    def teardown(self) -> None:
        """Close the stores."""
        self.all.close()

    @initialize(after=st.lists(seconds, min_size=6, max_size=6), chained=st.booleans())
    def begin(self, *, after: list[timedelta], chained: bool) -> None:
        """Begin with some tasks, each depending on the one before it or on none."""
        before: list[Name] = []
        for name, when in zip(NAMES, after, strict=True):
            upstream = [one for one in before if one[0] == name[0]] if chained else []
            self.make(name, after=when, upstream=upstream)
            before = [name]

    # --- what wardens do -----------------------------------------------------------------------------

    @rule(
        name=names,
        after=seconds,
        payload=st.integers(0, 2),
        priority=st.sampled_from(Priority),
        digest=st.sampled_from(("hourly", "daily")),
        upstream=st.lists(names, max_size=2),
        named=st.just(EVERY_FIELD) | st.frozensets(st.sampled_from(sorted(EVERY_FIELD))),
    )
    def ensure(
        self,
        *,
        name: Name,
        after: timedelta,
        payload: int,
        priority: Priority,
        digest: str,
        upstream: list[Name],
        named: frozenset[str],
    ) -> None:
        """Make or change a task. Upstream may be absent, another tenant's, itself or a cycle."""
        fields = {"payload": payload, "priority": priority, "digest": digest, "named": named}
        self.make(name, after=after, upstream=upstream, **fields)

    @rule(tenant=tenants, name=names, paused=st.booleans())
    def pause(self, *, tenant: TenantId, name: Name, paused: bool) -> None:
        """Pause or resume a task, perhaps a stranger's."""
        self.all.ask(lambda side: side.store.pause(tenant, self.id_of(side, name), paused=paused, actor="ops"))

    @rule(
        name=names,
        after=seconds,
        moves=st.booleans(),
        late=st.sampled_from((0, 0, 1)),
        effects=st.lists(st.sampled_from(EFFECTS), max_size=2),
    )
    def steer(self, *, name: Name, after: timedelta, moves: bool, late: int, effects: list[Effect]) -> None:
        """Retry or reschedule a task, perhaps on an epoch that has passed."""
        at = self.moment(after)
        change = ChangeName.TASK_RESCHEDULED if moves else ChangeName.TASK_RETRIED

        async def word(side: Side) -> bool:
            status = await side.store.get(name[0], self.id_of(side, name))
            slot_at = at if moves else None
            steer = retried(status, at, name=change, slot_at=slot_at, effects=tuple(effects), detail=change)
            return await side.store.steer(name[0], status.id, attrs.evolve(steer, epoch=steer.epoch - late))

        self.all.ask(word)

    @rule(tenant=tenants, name=names, after=seconds)
    def request_run(self, *, tenant: TenantId, name: Name, after: timedelta) -> None:
        """Ask for a manual run, perhaps of a stranger's task."""
        at = self.moment(after)
        self.all.ask(lambda side: side.store.request_run(tenant, self.id_of(side, name), at=at, actor="ops"))

    @rule(tenant=tenants, name=names, detach=st.booleans())
    def delete(self, *, tenant: TenantId, name: Name, detach: bool) -> None:
        """Delete a task, perhaps one that others depend on or that is a stranger's."""
        done = self.all.ask(lambda side: side.store.delete(tenant, self.id_of(side, name), detach=detach, actor="ops"))
        if done:
            del self.called[name]

    @rule(tenant=tenants, paused=st.none() | st.booleans(), weight=st.none() | st.integers(1, 3), cap=caps)
    def set_tenant(self, *, tenant: TenantId, paused: bool | None, weight: int | None, cap: int | None) -> None:
        """Change what holds for a tenant."""
        self.all.ask(lambda side: side.store.set_tenant(tenant, paused=paused, weight=weight, max_running=cap))

    @rule(kind=st.sampled_from(tuple(OWN.values())), cap=caps)
    def limit_kind(self, *, kind: Kind, cap: int | None) -> None:
        """Cap a kind."""
        self.all.ask(lambda side: side.store.limit_kind(kind, cap))

    @rule(
        tenant=tenants,
        kind=st.none() | st.sampled_from(KINDS),
        weight=st.integers(1, 3),
        days=st.sampled_from((-1, 1_000)),
    )
    def report_activity(self, *, tenant: TenantId, kind: Kind | None, weight: int, days: int) -> None:
        """Report activity: outdated, or for good, as a clock that goes back may revive what was forgotten."""
        until = self.moment(timedelta(days=days))
        self.all.ask(lambda side: side.store.report_activity(tenant, kind, weight=weight, until=until))

    @rule(tenant=tenants, name=st.none() | names)
    def open_incident(self, *, tenant: TenantId, name: Name | None) -> None:
        """Open an incident by a runner's own word."""
        said = OpenIncident("down", "unknown.bug", "a policy raised")
        self.all.ask(
            lambda side: side.store.open_incident(tenant, said, None if name is None else self.id_of(side, name))
        )

    # --- what runners do -----------------------------------------------------------------------------

    @rule(runner=st.sampled_from(RUNNERS), batch=st.integers(1, 5), by=st.sampled_from((0, 1, 30, 600)))
    def claim_all(self, *, runner: RunnerId, batch: int, by: int) -> None:
        """Claim until nothing is left: what is taken, and each tenant's order, are the same; the turns are free."""
        self.wait(by=by)
        self.take([self.drained(side, runner, batch) for side in self.all.sides])

    @rule(runner=st.sampled_from(RUNNERS), tenant=tenants, limit=st.integers(1, 3))
    def claim_some(self, *, runner: RunnerId, tenant: TenantId, limit: int) -> None:
        """Claim a little of one tenant's: what is most urgent. What has expired comes first, and all of it."""
        enough = limit + len(self.held)
        answers = [self.claimed(side, runner, (OWN[tenant],), enough).claims for side in self.all.sides]
        self.take(answers)

    @precondition(lambda self: self.held)
    @rule(
        chosen=st.lists(indexes, min_size=1, max_size=4),
        outcome=st.sampled_from(OUTCOMES),
        after=seconds,
        early=st.integers(0, 5),
        phase=st.sampled_from((None, Phase.HEALTHY, Phase.BACKING_OFF, Phase.COOLING_OFF)),
        effects=st.lists(st.sampled_from(EFFECTS), max_size=2),
        urgent=st.booleans(),
        last=st.sampled_from((False, False, False, True)),
        again=st.sampled_from((False, False, True)),
    )
    def complete(
        self,
        *,
        chosen: list[int],
        outcome: Outcome,
        after: timedelta,
        early: int,
        phase: Phase | None,
        effects: list[Effect],
        urgent: bool,
        last: bool,
        again: bool,
    ) -> None:
        """Complete a batch of claims, some of them perhaps once more, or lost long ago."""
        batch = self.choose(chosen, keep=again)
        times = [(self.moment(after), self.moment(after)) for _ in batch]
        started_at = self.clock.now() - SECOND * early

        def done(claim: Claim, slot_at: datetime, next_run_at: datetime) -> Completion:
            return completed(
                claim,
                outcome,
                slot_at=slot_at,
                next_run_at=next_run_at,
                last=last,
                phase=phase,
                started_at=started_at,
                finished_at=self.clock.now(),
                effects=tuple(effects),
                urgent=urgent,
                memory=f"m{early}",
                reason="planned",
                result='{"n": 1}',
                why=("rule",),
            )

        def told(side: Side) -> list[Completion]:
            place = self.all.sides.index(side)
            return [done(held[place], *at) for held, at in zip(batch, times, strict=True)]

        self.all.ask(lambda side: side.store.complete(told(side)))

    @precondition(lambda self: self.held)
    @rule(index=indexes, after=seconds)
    def defer(self, *, index: int, after: timedelta) -> None:
        """Give a claim back unrun."""
        (held,) = self.choose([index], keep=False)
        until = self.moment(after)

        async def back(side: Side) -> list[Receipt]:
            return list(await side.store.defer([deferred(held[self.all.sides.index(side)], until)]))

        self.all.ask(back)

    @precondition(lambda self: self.held)
    @rule(chosen=st.lists(indexes, min_size=1, max_size=5))
    def renew(self, *, chosen: list[int]) -> None:
        """Renew some leases, stale ones among them."""
        batch = self.choose(chosen, keep=True)

        def holds(side: Side) -> dict[TaskId, int]:
            place = self.all.sides.index(side)
            return {held[place].task.id: held[place].token for held in batch}

        self.all.ask(lambda side: side.store.renew(runner=RUNNERS[0], holds=holds(side), lease=LEASE))

    # --- time ----------------------------------------------------------------------------------------

    @rule(by=st.integers(0, 900))
    def wait(self, *, by: int) -> None:
        """Let time pass."""
        self.clock.jump(SECOND * by)
        self.latest = max(self.latest, self.clock.now())

    @rule(by=st.integers(1, 20))
    def step_back(self, *, by: int) -> None:
        """Let the clock go back, in all by less than a lease: more would be a clock fault."""
        if self.latest - self.clock.now() + SECOND * by < LEASE:
            self.clock.jump(-SECOND * by)

    # --- what must hold ------------------------------------------------------------------------------

    @invariant()
    def all_that_can_be_seen_is_the_same(self) -> None:
        """Compare everything."""
        self.all.see(TENANTS)

    # --- parts of the rules --------------------------------------------------------------------------

    def make(self, name: Name, *, after: timedelta, upstream: list[Name], **fields: Any) -> None:
        """Ensure a task whose first slot is about *after* from now."""
        (tenant, kind, key), at = name, self.moment(after)

        def learn(side: Side, ensured: Ensured) -> None:
            if ensured.how is EnsuredAs.CREATED:
                self.called[name] = side.names[ensured.id] = f"{tenant} {kind} {key} made at {self.moments}"

        def wanted(side: Side) -> TaskSpec:
            return spec(kind, key, at=at, depends_on=[self.id_of(side, one) for one in upstream], **fields)

        self.all.ask(lambda side: side.store.ensure(tenant, wanted(side)), learn)

    def moment(self, after: timedelta) -> datetime:
        """Return an instant about *after* from now that is no other's."""
        self.moments += 1
        return self.clock.now() + after + self.moments * MOMENT

    def id_of(self, side: Side, name: Name) -> TaskId:
        """Return the store's id of the task of that name, or one that is nobody's."""
        return side.id_of(self.called.get(name, ""))

    def choose(self, indexes: list[int], *, keep: bool) -> list[Held]:
        """Return some of the claims; unless *keep* they are given out no more."""
        places = sorted({index % len(self.held) for index in indexes}, reverse=True)
        return [self.held[place] if keep else self.held.pop(place) for place in places]

    def claimed(self, side: Side, runner: RunnerId, kinds: Collection[Kind], limit: int) -> Claims:
        """Claim, and check when to look again: neither too late nor, with nothing left, at once."""
        claims = self.all.call(side.store.claim(runner=runner, kinds=kinds, limit=limit, lease=LEASE))
        assert len(claims.claims) <= limit, f"{side.label} gave more than the limit"
        if len(claims.claims) < limit:
            assert claims.next_due is None or claims.next_due > claims.now, f"{side.label} makes runners spin"
        return claims

    def drained(self, side: Side, runner: RunnerId, batch: int) -> list[Claim]:
        """Claim until nothing is left."""
        taken: list[Claim] = []
        while claims := self.claimed(side, runner, KINDS, batch).claims:
            taken += claims
        return taken

    def take(self, answers: Sequence[Sequence[Claim]]) -> None:
        """Compare what each store gave, and hold it: expired leases in any order, then each tenant's in its own."""
        ordered: list[list[Claim]] = []
        for side, claims in zip(self.all.sides, answers, strict=True):
            lost = [claim for claim in claims if claim.lost_by is not None]
            lost.sort(key=lambda claim: side.names[claim.task.id])
            fresh = sorted((claim for claim in claims if claim.lost_by is None), key=lambda it: it.task.tenant)
            repeated = [it for it, times in Counter(claim.task.id for claim in claims).items() if times > 1]
            assert repeated == [], f"{side.label} gave a task twice"
            ordered.append(lost + fresh)
        self.all.compare([side.plain(claims) for side, claims in zip(self.all.sides, ordered, strict=True)])
        self.held += list(zip(*ordered, strict=True))
