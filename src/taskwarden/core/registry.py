"""Which executor runs which kind. Mistakes are refused here, at start-up, not at the first run."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Protocol

import attrs

from taskwarden.core.executor import TaskExecutor
from taskwarden.core.instant import span
from taskwarden.errors import DuplicateExecutor, InvalidValue, MalformedExecutor, UnknownKind, shown
from taskwarden.ids import Kind, check_kind

__all__ = ["ExecutorRegistry", "Registry"]


class Registry(Protocol):
    """
    What a runner and a warden need to know of executors. A host's own container can be one.

    The set of kinds may grow while runners run; it must not shrink.
    """

    @property
    def kinds(self) -> Collection[Kind]:
        """The kinds that can be run here. Tasks of other kinds are left alone."""

    def executor(self, kind: str) -> TaskExecutor[Any]:
        """
        Return the executor of *kind*.

        Raises:
            UnknownKind: There is none.
        """


@attrs.define(eq=False, init=False)
class ExecutorRegistry:
    """
    The registry that ships: executors by kind, checked as they are added.

    Args:
        executors: Instances to start with.

    Raises:
        MalformedExecutor, DuplicateExecutor: As ``add`` does.
    """

    _by_kind: dict[Kind, TaskExecutor[Any]]

    def __init__(self, executors: Iterable[TaskExecutor[Any]] = ()) -> None:
        self.__attrs_init__({})
        for executor in executors:
            self.add(executor)

    @property
    def kinds(self) -> Collection[Kind]:
        """The kinds registered so far."""
        return self._by_kind.keys()

    def __iter__(self) -> Iterator[TaskExecutor[Any]]:
        return iter(tuple(self._by_kind.values()))

    def __len__(self) -> int:
        return len(self._by_kind)

    def executor(self, kind: str) -> TaskExecutor[Any]:
        """
        Return the executor of *kind*.

        Raises:
            UnknownKind: There is none.
        """
        try:
            return self._by_kind[Kind(kind)]
        except KeyError:
            raise UnknownKind(kind, sorted(self._by_kind)) from None

    def add(self, executor: TaskExecutor[Any]) -> None:
        """
        Register *executor* for its kind.

        Raises:
            MalformedExecutor: It is a class instead of an instance, has no valid kind, an ``execute`` that is not
                ``async``, or a wrong schedule, policy, timeout or cap. The registry is unchanged.
            DuplicateExecutor: Its kind is taken. The registry is unchanged.
        """
        _check(executor)
        present = self._by_kind.setdefault(Kind(executor.kind), executor)
        if present is not executor:
            raise DuplicateExecutor(executor.kind, _name(present), _name(executor))


def _name(executor: object) -> str:
    return type(executor).__qualname__


def _check(executor: object) -> None:
    if isinstance(executor, type):
        raise MalformedExecutor(executor.__qualname__, "is a class", f"pass an instance: {executor.__name__}()")
    if not isinstance(executor, TaskExecutor):
        remedy = "subclass TaskExecutor or BlockingTaskExecutor"
        raise MalformedExecutor(shown(executor), "is no TaskExecutor", remedy)
    name = _name(executor)
    try:
        check_kind(getattr(executor, "kind", None))
        if executor.timeout is not None:
            span(executor.timeout, "timeout")
        if executor.max_running is not None:
            _count(executor.max_running, "max_running")
        _count(executor.payload_version, "payload_version")
    except InvalidValue as error:
        raise MalformedExecutor(name, str(error), "correct the class attribute") from error
    if not inspect.iscoroutinefunction(executor.execute):
        remedy = "write 'async def execute', or subclass BlockingTaskExecutor and write 'def run'"
        raise MalformedExecutor(name, "execute is not async", remedy)
    _check_policies(executor, name)


def _check_policies(executor: TaskExecutor[Any], name: str) -> None:
    checks: tuple[tuple[str, object, str, str], ...] = (
        ("schedule", executor.schedule, "an interval policy such as every(minutes=15)", "next"),
        ("failure_policy", executor.failure_policy, "a failure policy such as standard()", "decide"),
    )
    for attribute, value, wanted, method in checks:
        if value is None:
            continue
        if isinstance(value, type) or not callable(getattr(value, method, None)):
            raise MalformedExecutor(name, f"{attribute} is {shown(value)}", f"give it {wanted}")
        if " at 0x" in repr(value):
            problem = f"{attribute} has a repr that differs in every process: {shown(value)}"
            raise MalformedExecutor(name, problem, "make it a frozen attrs class, or write a stable __repr__")
    resources: object = executor.resources
    if not isinstance(resources, tuple) or not all(isinstance(it, str) for it in resources):
        raise MalformedExecutor(name, f"resources is {shown(resources)}", "make it a tuple of names")


def _count(value: object, name: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidValue(name, value, "must be a whole number of at least 1")
