"""What holds for all runs of a kind: executor, policies, timeout; and the guard around the host's policies."""

from __future__ import annotations

import logging
from copy import deepcopy
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from taskwarden.core.decision import LARGEST_MEMORY, Decision, Level, OpenIncident, Planned
from taskwarden.core.instant import span
from taskwarden.core.outcome import Succeeded
from taskwarden.errors import InvalidValue, shown
from taskwarden.policies import decide
from taskwarden.policies.intervals import every, pulled

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.claim import Claim
    from taskwarden.core.decision import Effect, Event
    from taskwarden.core.executor import TaskExecutor
    from taskwarden.core.health import Health
    from taskwarden.core.outcome import Outcome
    from taskwarden.core.protocols import FailurePolicy, IntervalPolicy, Registry, Store
    from taskwarden.core.task import TaskRecord
    from taskwarden.ids import Kind

__all__ = ["KindRules", "Kinds"]

_LOG: Final = logging.getLogger("taskwarden.runner")
_FALLBACK: Final = every(hours=1)
"""When a host's interval policy raises: often enough to notice, seldom enough to harm nobody."""


@attrs.define(eq=False)
class KindRules:
    """How the runs of one kind go."""

    executor: TaskExecutor[Any]
    policy: FailurePolicy
    default: FailurePolicy
    timeout: float
    """Seconds; infinite without one."""
    base_delay: timedelta = timedelta(minutes=5)
    _graced: IntervalPolicy | None = attrs.field(default=None, init=False)
    _grace: timedelta | None = attrs.field(default=None, init=False)

    def schedule(self, task: TaskRecord[Any]) -> IntervalPolicy:
        """Return the schedule in force: the task's own, else the executor's."""
        return task.schedule or self.executor.schedule or _FALLBACK

    def grace(self, task: TaskRecord[Any]) -> timedelta | None:
        """Return how late a slot of *task* may be run; None: however late."""
        schedule = task.schedule or self.executor.schedule or _FALLBACK
        if schedule is self._graced:  # one value serves most tasks of a kind, and values do not change
            return self._grace
        try:
            grace = schedule.grace
            self._grace = None if grace is None else span(grace, "grace", lo=timedelta(0))
        except Exception:
            _LOG.exception("task %s (%s): the interval policy's grace is broken; the slot is run", task.id, task.kind)
            return None
        self._graced = schedule
        return self._grace

    def typed(self, task: TaskRecord[Any]) -> TaskRecord[Any]:
        """
        Return *task* with its payload structured, for one run: what an executor does to it is not seen by the next.

        Raises:
            PayloadRejected: The payload does not fit the executor's class (any more).
        """
        executor = self.executor
        payload = task.payload
        if executor.payload_type is None and task.payload_version == executor.payload_version:
            return attrs.evolve(task, payload=deepcopy(payload)) if isinstance(payload, dict | list) else task
        return attrs.evolve(task, payload=executor.load(deepcopy(payload), task.payload_version))

    def plan(self, claim: Claim, outcome: Outcome, now: datetime) -> tuple[Planned, tuple[Effect, ...]]:
        """Return the slot after the claim's, and an incident where the host's interval policy raised."""
        slot = claim.slot_at
        if slot > now:  # the clock went back: the slot lies in a future that was never real
            slot = now
        try:
            planned = self.schedule(claim.task).next(slot, claim.state, outcome, now)
            if (
                type(planned) is not Planned
                or (at := planned.at) is None
                or at.tzinfo is not UTC
                or at <= slot
                or planned.memory
            ):
                _check(planned, slot)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the host's code harms its own run only
            _LOG.exception("task %s (%s): the interval policy raised; planned hourly", claim.task.id, claim.task.kind)
            planned = _FALLBACK.next(slot, claim.state, outcome, now)
            return planned, (_broken(claim.task.kind, error),)
        if type(outcome) is Succeeded and outcome.run_by is not None:
            sooner = pulled(planned, outcome.run_by, now)
            if sooner.at is not None and sooner.at > slot:  # not so where the clock went back
                planned = sooner
        return planned, ()

    def decide(self, health: Health, event: Event, now: datetime) -> Decision:
        """Return the decision; where the host's failure policy raised, the default's, with an incident that says so."""
        decision = decide(self.policy, health, event, now, default=self.default)
        if decision.why and decision.why[0] == "policy_raised":
            _LOG.error("kind %s: %s", self.executor.kind, decision.effects[-1])
        return decision


def _check(planned: object, slot: datetime) -> None:
    """Refuse what no store could keep; the same as if the policy had raised."""
    if not isinstance(planned, Planned):
        raise TypeError(f"next() returned {shown(planned)} instead of Planned")
    if planned.at is not None and planned.at.tzinfo is not UTC:
        raise InvalidValue("Planned.at", planned.at, "must be aware and in UTC", "use value.astimezone(UTC)")
    if planned.at is not None and planned.at <= slot:
        raise InvalidValue("Planned.at", planned.at, f"must lie after the slot {slot}")
    if len(planned.memory) > LARGEST_MEMORY:
        raise InvalidValue("Planned.memory", planned.memory, f"must be at most {LARGEST_MEMORY} characters")


def _broken(kind: str, error: BaseException) -> OpenIncident:
    title = f"The interval policy of kind {kind} raised {type(error).__name__}: {error}; planned hourly instead"
    return OpenIncident(f"broken:interval_policy:{kind}", "config_error.policy", title[:500], Level.ERROR)


@attrs.define(eq=False)
class Kinds:
    """The rules of each kind that a registry knows, made when first needed; and the kinds' caps, told to the store."""

    registry: Registry
    default: FailurePolicy
    capped: dict[Kind, None] = attrs.field(factory=dict, init=False)
    """The kinds whose caps the store knows: only those may be claimed."""
    broken: set[Kind] = attrs.field(factory=set, init=False)
    """The kinds that the registry names and does not know: they are left alone."""
    known: dict[Kind, KindRules] = attrs.field(factory=dict, init=False)

    async def cap(self, store: Store) -> None:
        """
        Tell *store* the caps of the kinds that have come since this was last called; a registry only grows.

        Raises:
            Exception: The store's; what it was told already is remembered.
        """
        kinds = self.registry.kinds
        if len(kinds) == len(self.capped) + len(self.broken):
            return
        for kind in [kind for kind in kinds if kind not in self.capped and kind not in self.broken]:
            try:
                most = self.registry.executor(kind).max_running
            except Exception:  # the registry may be the host's own
                _LOG.exception("kind %s: the registry names it and has no executor; its tasks are left alone", kind)
                self.broken.add(kind)
            else:
                await store.limit_kind(kind, most)
                self.capped[kind] = None

    def rules(self, kind: Kind) -> KindRules:
        """Return the rules of *kind*."""
        rules = self.known.get(kind)
        if rules is None:
            executor = self.registry.executor(kind)
            timeout = float("inf") if executor.timeout is None else executor.timeout.total_seconds()
            rules = KindRules(executor, executor.failure_policy or self.default, self.default, timeout)
            self.known[kind] = rules
        return rules
