"""What a warden and all its handles share: the open store, the executors, who decides, the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from taskwarden.errors import Closed

if TYPE_CHECKING:
    from taskwarden.core.protocols import Clock, FailurePolicy, Registry, Store

__all__ = ["Access"]


@attrs.define(eq=False)
class Access:
    """
    The one way from handles to the store: once it is closed, every handle refuses.

    Args:
        registry: The executors that are known here.
        policy: Decides where an executor brings no failure policy of its own.
    """

    _store: Store
    registry: Registry
    policy: FailurePolicy
    clock: Clock
    _closed: bool = attrs.field(default=False, init=False)

    @property
    def store(self) -> Store:
        """
        The store, while the warden is open.

        Raises:
            Closed: The warden's block has ended.
        """
        if self._closed:
            raise Closed("the warden")
        return self._store

    def close(self) -> None:
        """Refuse from now on. The store itself stays as it is."""
        self._closed = True
