"""Those who want to be told of a store's changes, whatever store it is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.core.protocols import Hint

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Listeners"]

_LOG: Final = logging.getLogger("taskwarden.store")


@attrs.define(eq=False)
class Listeners:
    """Those who want hints. One that raises harms nobody: it is logged once, and asked again next time."""

    _hints: dict[object, Callable[[Hint], None]] = attrs.field(factory=dict, init=False)
    _broken: set[object] = attrs.field(factory=set, init=False)

    def add(self, key: object, hint: Callable[[Hint], None]) -> None:
        """Tell *hint* from now on, and at once of whatever it has not heard."""
        self._hints[key] = hint
        for what in Hint:
            self._tell(key, hint, what)

    def remove(self, key: object) -> None:
        """Tell it no more."""
        self._hints.pop(key, None)
        self._broken.discard(key)

    def whisper(self, what: Hint) -> None:
        """Tell all."""
        for key, hint in list(self._hints.items()):
            self._tell(key, hint, what)

    def _tell(self, key: object, hint: Callable[[Hint], None], what: Hint) -> None:
        try:
            hint(what)
        except Exception:
            if key not in self._broken:
                self._broken.add(key)
                _LOG.exception("a listener raised on %s; the store goes on, and logs this only once", what)
