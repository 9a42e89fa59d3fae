"""
Several stores that are told the same, step by step, and must answer the same.

Ids, tokens and places in the feed are a store's own: answers are compared with each id replaced by the name of its
task, and without the others.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import takewhile
from typing import Any, Final, TypeAlias, TypeVar

import attrs
from anyio.from_thread import BlockingPortal, start_blocking_portal

from taskwarden.core.change import Change, Changes
from taskwarden.core.claim import Claim
from taskwarden.core.health import Health
from taskwarden.core.protocols import Store
from taskwarden.core.record import Run, TaskStatus
from taskwarden.errors import UsageError
from taskwarden.ids import RunId, TaskId, TenantId
from taskwarden.testing.clock import VirtualClock

__all__ = ["Disagreement", "Factory", "Lockstep", "Side"]

Factory: TypeAlias = "Callable[[VirtualClock], AbstractAsyncContextManager[Store]]"
"""Opens a fresh, empty store that reads the time from the clock."""
T = TypeVar("T")

_OWN: Final[dict[type, frozenset[str]]] = {
    Claim: frozenset({"token"}),
    Health: frozenset({"last_token"}),
    Run: frozenset({"id", "token"}),
    Change: frozenset({"seq"}),
    Changes: frozenset({"cursor"}),
}
"""Fields whose values are the store's own choice."""


class Disagreement(AssertionError):
    """Two stores that were told the same do not answer the same."""


@attrs.define(eq=False)
class Side:
    """
    One of the stores.

    Args:
        names: Its task ids, by what the task is called here.
        cursor: How far its feed has been read.
        newest: The last run of each tenant that has been read.
    """

    label: str
    store: Store
    names: dict[TaskId, str] = attrs.field(factory=dict)
    cursor: int = 0
    newest: dict[TenantId, RunId] = attrs.field(factory=dict)

    def id_of(self, name: str) -> TaskId:
        """Return the id of the task that is called *name*; one that no store has, if there is none."""
        return next((task_id for task_id, known in self.names.items() if known == name), TaskId("task-999999999"))

    def plain(self, value: object) -> object:
        """Return *value* as far as it is comparable between stores, in plain data."""
        kind: type[Any] = type(value)
        if kind is str:
            return self.names.get(value, value)  # type: ignore[call-overload]  # whatever the text: it may be an id
        if kind in _LEAVES:
            return value
        if fields := _comparable(kind):  # type: ignore[arg-type]  # a class is hashable
            found = {name: self.plain(getattr(value, name)) for name in fields}
            if isinstance(value, TaskStatus):
                found["blocked_by"] = self.plain(frozenset(value.blocked_by))  # in no order
            return found
        match value:
            case tuple() | list():
                return [self.plain(item) for item in value]
            case set() | frozenset():
                return sorted((self.plain(item) for item in value), key=repr)
            case Mapping():
                return {str(self.plain(key)): self.plain(item) for key, item in value.items()}
        return value


_LEAVES: Final = frozenset({bool, int, float, type(None), datetime, timedelta})


@cache
def _comparable(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of the fields to compare; none: it is no class of attrs."""
    own = _OWN.get(kind, frozenset())
    return tuple(field.name for field in attrs.fields(kind) if field.name not in own) if attrs.has(kind) else ()


class Lockstep:
    """
    The stores, side by side. The first is the reference.

    Args:
        factories: By what the store is to be called in messages.
        suspends: Some store really waits (for a database, a thread): all are then driven on an event loop in a thread.
            Otherwise each call is stepped through by hand, which is much faster.
    """

    def __init__(self, factories: Mapping[str, Factory], clock: VirtualClock, *, suspends: bool) -> None:
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        if suspends:
            self._portal = self._stack.enter_context(start_blocking_portal())
        self.sides = [Side(label, self._open(factory(clock))) for label, factory in factories.items()]

    def close(self) -> None:
        """Close all stores."""
        self._stack.close()

    def call(self, call: Coroutine[Any, Any, T]) -> T:
        """Return what the coroutine returns."""
        return stepped(call) if self._portal is None else self._portal.call(_awaited, call)

    def ask(
        self,
        question: Callable[[Side], Coroutine[Any, Any, T]],
        learn: Callable[[Side, T], None] | None = None,
    ) -> list[T]:
        """
        Ask each store, and return the answers, which agree; none, if each refuses with the same kind of error.

        Args:
            learn: Is shown each answer before they are compared.

        Raises:
            Disagreement: They do not agree.
        """
        answers: list[T] = []
        views: list[object] = []
        for side in self.sides:
            try:
                answer = self.call(question(side))
            except UsageError as error:
                views.append(type(error))
            else:
                if learn is not None:
                    learn(side, answer)
                answers.append(answer)
                views.append(side.plain(answer))
        self.compare(views)
        return answers

    def compare(self, views: Iterable[object]) -> None:
        """
        Check that what was seen of each store, in their order, is the same.

        Raises:
            Disagreement: It is not; names the stores and shows where they part.
        """
        first, *others = views
        for side, other in zip(self.sides[1:], others, strict=True):
            if other != first:
                places = "\n".join(differences(first, other))
                raise Disagreement(f"{self.sides[0].label} and {side.label} disagree:\n{places}")

    def see(self, tenants: Iterable[TenantId]) -> None:
        """
        Check that everything that can be read of *tenants* is the same everywhere.

        Raises:
            Disagreement: It is not.
        """
        for tenant in tenants:
            self.ask(partial(_seen, tenant=tenant))
        self.compare([self.call(_news(side)) for side in self.sides])

    def _open(self, opening: AbstractAsyncContextManager[Store]) -> Store:
        if self._portal is not None:
            return self._stack.enter_context(self._portal.wrap_async_context_manager(opening))
        store = stepped(_entered(opening))
        self._stack.callback(lambda: stepped(_exited(opening)))
        return store


def stepped(call: Coroutine[Any, Any, T]) -> T:
    """
    Return what the coroutine returns, without an event loop.

    Raises:
        RuntimeError: It waits for something.
    """
    waits = "a store waits for its event loop; set suspends = True on the agreement machine"
    try:
        call.send(None)
    except StopIteration as end:
        found: T = end.value
        return found
    except RuntimeError as error:  # so says each event loop that it is not running
        raise RuntimeError(waits) from error
    call.close()
    raise RuntimeError(waits)


def differences(first: object, other: object, path: str = "answer") -> list[str]:
    """Return where two plain values differ, one line for each place."""
    if isinstance(first, dict) and isinstance(other, dict) and first.keys() == other.keys():
        return [line for key in first for line in differences(first[key], other[key], f"{path}.{key}")]
    if isinstance(first, list) and isinstance(other, list) and len(first) == len(other):
        pairs = enumerate(zip(first, other, strict=True))
        return [line for number, (one, two) in pairs for line in differences(one, two, f"{path}[{number}]")]
    return [] if first == other else [f"{path}: {first!r} != {other!r}"]


async def _awaited(call: Coroutine[Any, Any, T]) -> T:
    return await call


async def _entered(opening: AbstractAsyncContextManager[Store]) -> Store:
    return await opening.__aenter__()


async def _exited(opening: AbstractAsyncContextManager[Store]) -> None:
    await opening.__aexit__(None, None, None)


async def _seen(side: Side, tenant: TenantId) -> dict[str, object]:
    store = side.store
    return {
        "tasks": list(await store.tasks(tenant, kind=None, status=None, after=None, limit=100)),
        "runs": await _story(side, tenant),
        # Newest first; but of two that opened at the same instant either may be the newer.
        "incidents": sorted(map(side.plain, await store.incidents(tenant, open_only=False)), key=repr),
        "tallies": sorted(await store.tallies(tenant), key=repr),
        "tenant": await store.tenant(tenant),
    }


async def _story(side: Side, tenant: TenantId) -> object:
    """Return the tenant's runs since the last call. Those of one step have no order; older never change."""
    fresh: list[Run] = []
    known = side.newest.get(tenant)
    while page := await side.store.runs(tenant, task_id=None, before=fresh[-1].id if fresh else None, limit=10):
        fresh += takewhile(lambda run: run.id != known, page)
        if not fresh or fresh[-1].id != page[-1].id:
            break
    if fresh:
        side.newest[tenant] = fresh[0].id
    return sorted(map(side.plain, fresh), key=repr)


async def _news(side: Side) -> object:
    """Return the changes since the last call. Those of one step have no order of their own."""
    changes: list[Change] = []
    while True:
        page = await side.store.changes(side.cursor, limit=10)
        if not page.changes and page.cursor == side.cursor:
            return sorted((side.plain(change) for change in changes), key=repr)
        changes += page.changes
        side.cursor = page.cursor
