"""
Everything that taskwarden raises, by whose fault it is.

::

    TaskwardenError
    ├── UsageError                  the caller's mistake; nothing was changed
    │   ├── InvalidValue            a value breaks a rule (also a ValueError)
    │   │   └── PayloadRejected     a payload does not fit its class
    │   ├── MalformedExecutor       refused at registration
    │   ├── DuplicateExecutor       two executors claim one kind
    │   ├── UnknownKind             no executor is registered for the kind
    │   ├── TaskNotFound            no such task within this tenant (also a LookupError)
    │   ├── DependencyCycle         a task would wait for itself
    │   ├── HasDependants           others wait for the task that is to be deleted
    │   ├── CursorExpired           the feed no longer goes back that far (also a LookupError)
    │   ├── IllegalTransition       the lifecycle has no such move
    │   ├── SchemaMismatch          a database's tables are missing, older or newer than this version needs
    │   ├── StoreTaken              the tables belong to another application
    │   ├── AccessDenied            the database is there, and does not let us do it
    │   └── Closed                  a store, runner or warden was used after its end
    └── StoreUnavailable            the backend could not be reached; the call changed nothing

Errors carry their facts as positional ``args``, so that they pickle, and say them in ``__str__``.
What an executor raises is never one of these: it becomes a ``Failed`` outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AccessDenied",
    "Closed",
    "CursorExpired",
    "DependencyCycle",
    "DuplicateExecutor",
    "HasDependants",
    "IllegalTransition",
    "InvalidValue",
    "MalformedExecutor",
    "PayloadRejected",
    "SchemaMismatch",
    "StoreTaken",
    "StoreUnavailable",
    "TaskNotFound",
    "TaskwardenError",
    "UnknownKind",
    "UsageError",
]


def shown(value: object, limit: int = 80) -> str:
    """Show *value* by ``repr``, cut to *limit* characters, whatever its ``repr`` does."""
    try:
        text = repr(value)
    except Exception as error:  # a broken repr must not hide the error that we report
        text = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


class TaskwardenError(Exception):
    """Base of everything that taskwarden raises."""


class UsageError(TaskwardenError):
    """The caller's mistake. Nothing was changed."""


class InvalidValue(UsageError, ValueError):
    """A value breaks a rule; nothing was changed."""

    def __init__(self, name: str, value: object, rule: str, remedy: str = "") -> None:
        super().__init__(name, value, rule, remedy)
        self.name, self.value, self.rule, self.remedy = name, value, rule, remedy

    def __str__(self) -> str:
        text = f"{self.name} {self.rule}, got {shown(self.value)}"
        return f"{text}; {self.remedy}" if self.remedy else text


class PayloadRejected(InvalidValue):
    """A payload does not fit its class: the task was not created or changed."""

    def __init__(self, kind: str, path: str, value: object, problem: str) -> None:
        super().__init__(f"payload of {kind!r} at {path}", value, problem)
        self.args = (kind, path, value, problem)
        self.kind, self.path, self.problem = kind, path, problem


class MalformedExecutor(UsageError):
    """An executor class cannot be registered as it is; the registry is unchanged."""

    def __init__(self, executor: str, problem: str, remedy: str) -> None:
        super().__init__(executor, problem, remedy)
        self.executor, self.problem, self.remedy = executor, problem, remedy

    def __str__(self) -> str:
        return f"executor {self.executor}: {self.problem}; {self.remedy}"


class DuplicateExecutor(UsageError):
    """Two executors claim one kind; the registry keeps the first."""

    def __init__(self, kind: str, present: str, refused: str) -> None:
        super().__init__(kind, present, refused)
        self.kind, self.present, self.refused = kind, present, refused

    def __str__(self) -> str:
        return (
            f"kind {self.kind!r} is already run by {self.present}, so {self.refused} was not registered; "
            "give one of them another kind"
        )


class UnknownKind(UsageError, LookupError):
    """No executor is registered for the kind; nothing was changed."""

    def __init__(self, kind: str, known: Sequence[str]) -> None:
        super().__init__(kind, tuple(known))
        self.kind, self.known = kind, tuple(known)

    def __str__(self) -> str:
        known = ", ".join(map(repr, self.known)) or "none"
        return f"no executor is registered for kind {self.kind!r} (registered: {known}); pass one in executors="


class TaskNotFound(UsageError, LookupError):
    """The tenant has no such task; another tenant's task reads the same."""

    def __init__(self, tenant: str, task_id: str) -> None:
        super().__init__(tenant, task_id)
        self.tenant, self.task_id = tenant, task_id

    def __str__(self) -> str:
        return f"tenant {self.tenant!r} has no task {self.task_id!r}"


class DependencyCycle(UsageError):
    """A task would wait for itself; it was not created or changed."""

    def __init__(self, cycle: Sequence[str]) -> None:
        super().__init__(tuple(cycle))
        self.cycle = tuple(cycle)

    def __str__(self) -> str:
        return f"dependency cycle {' -> '.join(self.cycle)}: each would wait for the next for ever; drop one of them"


class HasDependants(UsageError):
    """Other tasks depend on this one; it was not deleted."""

    def __init__(self, task_id: str, dependants: Sequence[str]) -> None:
        super().__init__(task_id, tuple(dependants))
        self.task_id, self.dependants = task_id, tuple(dependants)

    def __str__(self) -> str:
        return (
            f"task {self.task_id!r} was not deleted: {len(self.dependants)} depend on it "
            f"({', '.join(self.dependants[:3])}); delete them first, or pass detach=True to cut the edges"
        )


class CursorExpired(UsageError, LookupError):
    """Changes after the cursor are no longer kept: the subscriber has missed some. Nothing was handed over."""

    def __init__(self, cursor: int, resume_after: int) -> None:
        super().__init__(cursor, resume_after)
        self.cursor, self.resume_after = cursor, resume_after

    def __str__(self) -> str:
        return (
            f"changes after cursor {self.cursor!r} are no longer all kept; "
            f"read the current state anew, then go on after {self.resume_after!r}"
        )


class IllegalTransition(UsageError):
    """The lifecycle has no such move; the state is unchanged."""

    def __init__(self, state: str, signal: str) -> None:
        super().__init__(state, signal)
        self.state, self.signal = state, signal

    def __str__(self) -> str:
        return f"a task that is {self.state} cannot take {self.signal}; see the lifecycle table"


class SchemaMismatch(UsageError):
    """
    The tables in a database are not those that this version works with; nothing was changed.

    Args:
        found: The revision of the schema there; None: there are no tables.
        known: The latest revision that this version knows.
    """

    def __init__(self, store: str, found: str | None, known: str, remedy: str) -> None:
        super().__init__(store, found, known, remedy)
        self.store, self.found, self.known, self.remedy = store, found, known, remedy

    def __str__(self) -> str:
        found = "no tables of taskwarden" if self.found is None else f"schema {self.found}"
        return f"store {self.store} has {found}, and this version works with schema {self.known}; {self.remedy}"


class StoreTaken(UsageError):
    """The tables with this prefix belong to another application; nothing was changed."""

    def __init__(self, store: str, prefix: str, owner: str, application: str) -> None:
        super().__init__(store, prefix, owner, application)
        self.store, self.prefix, self.owner, self.application = store, prefix, owner, application

    def __str__(self) -> str:
        return (
            f"the tables {self.prefix}* in store {self.store} belong to application {self.owner!r}, "
            f"and this is {self.application!r}; give it tables of its own by another prefix="
        )


class AccessDenied(UsageError):
    """The database is there, and does not let us in, or not do what we must; nothing was changed."""

    def __init__(self, store: str, problem: str, remedy: str) -> None:
        super().__init__(store, problem, remedy)
        self.store, self.problem, self.remedy = store, problem, remedy

    def __str__(self) -> str:
        return f"store {self.store} refuses: {self.problem}; {self.remedy}; nothing was changed"


class Closed(UsageError):
    """Used after its end; nothing was done."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} is closed; open a new one"


class StoreUnavailable(TaskwardenError):
    """The backend could not be reached; the call changed nothing and may be repeated."""

    def __init__(self, store: str, problem: str) -> None:
        super().__init__(store, problem)
        self.store, self.problem = store, problem

    def __str__(self) -> str:
        return f"store {self.store} is unavailable: {self.problem}; nothing was changed"
