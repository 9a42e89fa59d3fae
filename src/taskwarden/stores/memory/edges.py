"""
Dependencies between tasks of one tenant.

An edge is satisfied if the upstream has a success that started after the start of the dependant's last success, or is
done by success. A slot is released when all of its edges are; a released slot is not asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskwarden.core.lifecycle import Signal, State, apply
from taskwarden.errors import DependencyCycle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from taskwarden.ids import TaskId
    from taskwarden.stores.memory.row import Row

__all__ = ["block", "check_acyclic", "cut", "draw", "release", "resting", "unreleased"]


def resting(row: Row) -> State:
    """Return the state of *row*, or the one that its manual run in progress returns to."""
    return row.rest if row.state is State.RUNNING else row.state


def unreleased(row: Row, rows: Mapping[TaskId, Row]) -> tuple[TaskId, ...]:
    """Return the upstream tasks whose edges are not satisfied."""
    upstreams = dict.fromkeys(row.task.depends_on)
    return tuple(upstream for upstream in upstreams if not _satisfied(rows[upstream], row))


def _satisfied(upstream: Row, row: Row) -> bool:
    if upstream.done_by_success and resting(upstream) is State.DONE:
        return True
    success, last = upstream.succeeded_from, row.succeeded_from
    return success is not None and (last is None or success > last)


def release(row: Row, rows: Mapping[TaskId, Row], now: datetime) -> bool:
    """Unblock *row* if nothing holds its slot any more; return whether it was. It waits to be claimed from now on."""
    if resting(row) is not State.BLOCKED or unreleased(row, rows):
        return False
    if row.next_run_at is not None and row.next_run_at < now:
        row.next_run_at = now
    if row.state is State.RUNNING:
        row.rest = apply(row.rest, Signal.UNBLOCK)
    else:
        row.state = apply(row.state, Signal.UNBLOCK)
    return True


def block(row: Row, rows: Mapping[TaskId, Row]) -> None:
    """Block *row*, which is SCHEDULED, if an upstream has not released its slot."""
    if row.task.depends_on and unreleased(row, rows):
        row.state = apply(row.state, Signal.BLOCK)


def draw(row: Row, rows: Mapping[TaskId, Row]) -> None:
    """Make *row* known to its upstream tasks."""
    for upstream in row.task.depends_on:
        above = rows[upstream]
        if above.dependants is None:
            above.dependants = {}
        above.dependants[row.number] = row


def cut(row: Row, upstreams: Iterable[TaskId], rows: Mapping[TaskId, Row]) -> None:
    """Make *upstreams* forget *row*."""
    for upstream in upstreams:
        above = rows[upstream]
        if above.dependants is not None:
            above.dependants.pop(row.number, None)


def check_acyclic(row: Row, depends_on: Iterable[TaskId], rows: Mapping[TaskId, Row]) -> None:
    """
    Check that *row* may depend on *depends_on*. Costs what lies above it.

    Raises:
        DependencyCycle: It would wait for itself; names the keys on the way.
    """
    seen: set[TaskId] = set()
    paths: list[tuple[TaskId, tuple[str, ...]]] = [(upstream, (row.task.key,)) for upstream in depends_on]
    while paths:
        task_id, path = paths.pop()
        if task_id == row.task.id:
            raise DependencyCycle((*path, row.task.key))
        if task_id not in seen:
            seen.add(task_id)
            above = rows[task_id].task
            paths += [(upstream, (*path, above.key)) for upstream in above.depends_on]
