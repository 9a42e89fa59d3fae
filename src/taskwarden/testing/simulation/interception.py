"""A store each of whose calls can be looked at, held up or refused on its way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import attrs

if TYPE_CHECKING:
    from taskwarden.core.store import Store

__all__ = ["Call", "Interceptor"]


@attrs.frozen
class Call:
    """One call of a store: its method's name, its arguments, and the way to make it."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    perform: Callable[[], Awaitable[Any]]

    def argument(self, position: int, name: str) -> Any:
        """Return an argument, however it was given."""
        return self.args[position] if len(self.args) > position else self.kwargs[name]


class Interceptor(ABC):
    """Stands before a store: each call goes through ``around``."""

    def __init__(self, store: Store) -> None:
        self._inner = store

    @property
    def store(self) -> Store:
        """The store with this before it."""
        return cast("Store", _Front(self._inner, self.around))

    @abstractmethod
    async def around(self, call: Call) -> Any:
        """Make *call*, or do not, and return what its caller is to see."""


_Around: TypeAlias = Callable[[Call], Awaitable[Any]]


class _Front:
    """Has the methods of a store. They are made when first asked for, so that a new one needs no line here."""

    def __init__(self, store: Store, around: _Around) -> None:
        self._store, self._around = store, around

    def __repr__(self) -> str:
        return f"{self._store!r} behind an interceptor"

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method, around = getattr(self._store, name), self._around

        def call(*args: Any, **kwargs: Any) -> Awaitable[Any]:
            return around(Call(name, args, kwargs, partial(method, *args, **kwargs)))

        self.__dict__[name] = call
        return call
