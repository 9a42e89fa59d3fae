"""
Dependencies between tasks of one tenant.

An edge is satisfied if the upstream has a success that started after the start of the dependant's last success, or is
done by success. A slot is released when all of its edges are; a released slot is not asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskwarden.core.lifecycle import Signal, apply
from taskwarden.errors import DependencyCycle
from taskwarden.stores.moves import unreleased

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from taskwarden.ids import TaskId
    from taskwarden.stores.memory.row import Row

__all__ = ["block", "check_acyclic", "cut", "draw"]


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
