"""
"Why has it not run?": every reason that holds a task back, in the order in which one should look. Pure.

The rules stand in one literal table for each way to a run: the ordinary one, and a manual run, which passes by the
task's own flag, phase, dependencies and schedule (decided by ``Store.claim``, told here).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from taskwarden.core.health import Phase
from taskwarden.core.instant import FAR_FUTURE
from taskwarden.core.lifecycle import State
from taskwarden.core.record import Status, TaskStatus
from taskwarden.manage.wording import moment, quantity, sentence_of

if TYPE_CHECKING:
    from taskwarden.core.protocols import TenantState

__all__ = ["Blocker", "Explanation", "Obstacle", "Snapshot", "explain"]


class Obstacle(enum.StrEnum):
    """What may hold a task back, in the order in which an explanation lists it."""

    DONE = "done"
    RUNNING = "running"
    TENANT_PAUSED = "tenant_paused"
    TASK_PAUSED = "task_paused"
    NEEDS_INTERVENTION = "needs_intervention"
    COOLING_OFF = "cooling_off"
    PROBING = "probing"
    BACKING_OFF = "backing_off"
    RETRY_AFTER = "retry_after"
    DEFERRED = "deferred"
    UPSTREAM = "upstream"
    NOT_DUE = "not_due"
    TENANT_CAP = "tenant_cap"
    UNKNOWN_KIND = "unknown_kind"
    WAITING_TURN = "waiting_turn"


@attrs.frozen
class Blocker:
    """
    One reason why a task does not run.

    Args:
        name: For programs.
        sentence: For people.
        until: When it ends by itself; None: nobody knows, or only by the remedy.
        remedy: What one can do; empty: only wait.
    """

    name: Obstacle
    sentence: str
    until: datetime | None = None
    remedy: str = ""


@attrs.frozen(kw_only=True)
class Snapshot:
    """
    What an explanation is drawn from.

    Args:
        upstreams: The tasks that have not released the slot, as far as they were looked up.
        registered: An executor of the kind is registered in this process.
    """

    status: TaskStatus
    tenant: TenantState
    registered: bool
    upstreams: tuple[TaskStatus, ...] = ()


@attrs.frozen
class Explanation:
    """
    Why a task does not run, as of an instant by the store's clock. ``str`` of it is for people.

    Args:
        blockers: All that hold it back, in the order of ``Obstacle``; empty: it may run now.
    """

    status: TaskStatus
    blockers: tuple[Blocker, ...]

    @property
    def may_run(self) -> bool:
        """Nothing holds it back: a runner that knows its kind takes it as soon as it looks."""
        return not self.blockers

    def __str__(self) -> str:
        task, as_of = self.status.task, self.status.as_of
        name = f"{task.kind} {task.key!r} of tenant {task.tenant!r}"
        if self.may_run:
            since = moment(self.status.manual_at or self.status.next_run_at or as_of, as_of)
            return f"{name} may run now: due {since}, nothing holds it back. Is a runner up that knows its kind?"
        lines = (
            f"  {number}. {sentence_of(blocker.sentence, blocker.until, blocker.remedy, as_of)}"
            for number, blocker in enumerate(self.blockers, 1)
        )
        return "\n".join((f"{name} does not run now:", *lines))


def explain(snapshot: Snapshot) -> Explanation:
    """Return every reason that holds the task of *snapshot* back."""
    status = snapshot.status
    if status.state is State.RUNNING:
        rules: tuple[_Rule, ...] = (_running,)
    elif status.manual_at is not None:
        rules = _MANUAL
    elif status.state is State.DONE:
        rules = (_done,)
    else:
        rules = _ORDINARY
    blockers = tuple(blocker for rule in rules for blocker in rule(snapshot))
    return Explanation(status, blockers or tuple(_waiting_turn(snapshot)))


_Found: TypeAlias = Iterator[Blocker]
_Rule: TypeAlias = Callable[[Snapshot], _Found]


def _done(snapshot: Snapshot) -> _Found:
    run = snapshot.status.last_run
    ended = "" if run is None else f"; its last run {run.ending} {moment(run.finished_at, snapshot.status.as_of)}"
    remedy = "ask for run_now(), reschedule() it, or ensure() it with another schedule"
    yield Blocker(Obstacle.DONE, f"it is done: its schedule has no further slot{ended}", None, remedy)


def _running(snapshot: Snapshot) -> _Found:
    status = snapshot.status
    since = "" if status.running_since is None else f" since {moment(status.running_since, status.as_of)}"
    sentence = f"it is running{since}, attempt {status.attempt}, by runner {status.runner!r}"
    if status.lease_until is not None and status.lease_until <= status.as_of:
        overdue = f"{sentence}, which is overdue: its lease ended {moment(status.lease_until, status.as_of)}"
        yield Blocker(Obstacle.RUNNING, overdue, None, "another runner takes it over as soon as it looks")
    else:
        yield Blocker(Obstacle.RUNNING, sentence)


def _tenant_paused(snapshot: Snapshot) -> _Found:
    if snapshot.tenant.paused:
        yield Blocker(Obstacle.TENANT_PAUSED, "all tasks of its tenant are paused", None, "resume_all()")


def _task_paused(snapshot: Snapshot) -> _Found:
    if snapshot.status.paused:
        yield Blocker(Obstacle.TASK_PAUSED, "it is paused", None, "resume() it")


_HELD: Final = {
    Phase.NEEDS_INTERVENTION: (
        Obstacle.NEEDS_INTERVENTION,
        "it needs intervention ({cause})",
        "mend the cause, then retry() it",
    ),
    Phase.COOLING_OFF: (Obstacle.COOLING_OFF, "it is cooling off ({cause})", "retry() it to probe at once"),
    Phase.PROBING: (Obstacle.PROBING, "it is being probed ({cause})", "retry() it to probe at once"),
    Phase.BACKING_OFF: (Obstacle.BACKING_OFF, "it is backing off ({cause})", "retry() it to try at once"),
}


def _held(snapshot: Snapshot) -> _Found:
    status = snapshot.status
    if _waits(status) and status.phase in _HELD:
        name, sentence, remedy = _HELD[status.phase]
        # A policy without courtesy probes waits for ever.
        until = None if status.next_run_at == FAR_FUTURE else status.next_run_at
        yield Blocker(name, sentence.format(cause=_cause(status)), until, remedy)


def _retry_after(snapshot: Snapshot) -> _Found:
    floor = snapshot.status.health.floor
    if floor is not None and floor > snapshot.status.as_of:
        remedy = "retry(force=True) overrides it, at the risk of a longer ban"
        yield Blocker(Obstacle.RETRY_AFTER, "the provider asked not to be called (Retry-After)", floor, remedy)


def _deferred(snapshot: Snapshot) -> _Found:
    status = snapshot.status
    if _is_deferred(status):
        sentence = f"a breaker said not now ({status.deferred_why or 'no reason given'})"
        yield Blocker(Obstacle.DEFERRED, sentence, status.deferred_until)


def _upstreams(snapshot: Snapshot) -> _Found:
    if snapshot.status.state is not State.BLOCKED:
        return
    for upstream in snapshot.upstreams:
        task = upstream.task
        does, remedy = _upstream_is(upstream)
        sentence = f"it waits for a success of {task.kind} {task.key!r}, which {does}"
        yield Blocker(Obstacle.UPSTREAM, sentence, None, remedy)
    if unnamed := len(snapshot.status.blocked_by) - len(snapshot.upstreams):
        yield Blocker(Obstacle.UPSTREAM, f"it waits for {quantity(unnamed, 'other upstream task')}")


def _upstream_is(upstream: TaskStatus) -> tuple[str, str]:
    match upstream.status:
        case Status.PAUSED:
            return "is paused", "resume() that task"
        case Status.NEEDS_INTERVENTION:
            return f"needs intervention ({_cause(upstream)})", "explain() that task"
        case Status.RUNNING:
            return "is running", ""
        case Status.DONE:
            return "is done without one", "retry() that task, or ensure() this one without it"
        case Status.BLOCKED:
            return "is blocked itself", "explain() that task"
        case word:
            at = "" if upstream.next_run_at is None else f", next {moment(upstream.next_run_at, upstream.as_of)}"
            return f"is {word.replace('_', ' ')}{at}", ""


def _not_due(snapshot: Snapshot) -> _Found:
    status = snapshot.status
    if _waits(status) and status.phase is Phase.HEALTHY and not _is_deferred(status):
        reason = f" ({status.plan_reason})" if status.plan_reason else ""
        yield Blocker(Obstacle.NOT_DUE, f"it is not due yet{reason}", status.next_run_at, "run_now() asks for one run")


def _manual_not_due(snapshot: Snapshot) -> _Found:
    status = snapshot.status
    if status.manual_at is not None and status.manual_at > status.as_of:
        yield Blocker(Obstacle.NOT_DUE, "a manual run is asked for, and not due yet", status.manual_at)


def _tenant_cap(snapshot: Snapshot) -> _Found:
    tenant = snapshot.tenant
    if tenant.max_running is not None and tenant.running >= tenant.max_running:
        sentence = f"its tenant runs {tenant.running} of at most {quantity(tenant.max_running, 'task')} at a time"
        yield Blocker(Obstacle.TENANT_CAP, sentence, None, "wait, or raise it: limits(max_running=...)")


def _unknown_kind(snapshot: Snapshot) -> _Found:
    if not snapshot.registered:
        sentence = f"no executor of kind {snapshot.status.kind!r} is registered here; runners elsewhere may know it"
        yield Blocker(Obstacle.UNKNOWN_KIND, sentence, None, "pass one in executors=")


def _waiting_turn(snapshot: Snapshot) -> _Found:
    status, others = snapshot.status, snapshot.tenant.due - 1
    if status.state is State.SCHEDULED and others > 0 and status.next_run_at is not None:
        since = moment(status.next_run_at, status.as_of)
        sentence = f"it is due, {since}, and waits its turn beside {quantity(others, 'other due task')} of its tenant"
        yield Blocker(Obstacle.WAITING_TURN, sentence, None, "if none of them starts: is a runner up?")


_ORDINARY: Final[tuple[_Rule, ...]] = (
    _tenant_paused,
    _task_paused,
    _held,
    _retry_after,
    _deferred,
    _upstreams,
    _not_due,
    _tenant_cap,
    _unknown_kind,
)
_MANUAL: Final[tuple[_Rule, ...]] = (_tenant_paused, _manual_not_due, _tenant_cap, _unknown_kind)


def _waits(status: TaskStatus) -> bool:
    return status.next_run_at is not None and status.next_run_at > status.as_of


def _is_deferred(status: TaskStatus) -> bool:
    return status.deferred_until is not None and status.deferred_until > status.as_of


def _cause(status: TaskStatus) -> str:
    run = status.last_run
    failures = f"{quantity(status.health.streak, 'failure')} in a row"
    if run is None or not run.code:
        return failures
    return f"{failures}, the last {run.code}{': ' if run.message else ''}{run.message}"
