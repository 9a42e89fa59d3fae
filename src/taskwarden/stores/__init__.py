"""
Stores: where tasks, runs and the feed are kept. They persist decisions; they never decide.

Stores are found by the scheme of a URL, through the entry-point group ``taskwarden.stores``: a package adds its own by
an entry point whose name is the scheme and whose object is a ``StoreFactory``.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final, Protocol

from taskwarden.errors import InvalidValue

if TYPE_CHECKING:
    from taskwarden.core.protocols import Clock, Store

__all__ = ["GROUP", "StoreFactory", "open_store"]

GROUP: Final = "taskwarden.stores"
"""The entry-point group: scheme to ``StoreFactory``."""


class StoreFactory(Protocol):
    """What an entry point of ``taskwarden.stores`` names."""

    async def __call__(self, url: str, *, clock: Clock | None = None) -> Store:
        """
        Open the store at *url*.

        Args:
            clock: Where a store without a clock of its own reads the time; None: the system's.

        Raises:
            InvalidValue: The URL has the right scheme and is wrong otherwise.
            StoreUnavailable: The backend could not be reached.
        """


async def open_store(url: str, *, clock: Clock | None = None) -> Store:
    """
    Open the store that the scheme of *url* names, for example ``memory://``.

    What follows a ``+`` in the scheme is the store's own business: ``sqlite+driver://`` finds ``sqlite``.

    Raises:
        InvalidValue: No store of that scheme is installed, or the URL is wrong; nothing was opened.
        StoreUnavailable: The backend could not be reached.
    """
    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    scheme, separator, _ = url.partition("://")
    entry = known.get(scheme.partition("+")[0])
    if not separator or entry is None:
        # The scheme alone is shown: the rest of a URL may hold a password.
        schemes = ", ".join(f"{name}://" for name in sorted(known)) or "none"
        remedy = "check the spelling, or install the package or the extra of taskwarden that brings this store"
        raise InvalidValue("scheme of the store's URL", scheme, f"must be one of those installed ({schemes})", remedy)
    return await _factory(entry)(url, clock=clock)


def _factory(entry: EntryPoint) -> StoreFactory:
    try:
        factory: StoreFactory = entry.load()
    except ModuleNotFoundError as error:
        extra = entry.extras[0] if entry.extras else entry.name
        rule = f"needs the module {error.name!r}, which is not installed"
        raise InvalidValue(
            "scheme of the store's URL", entry.name, rule, f"pip install 'taskwarden[{extra}]'"
        ) from error
    return factory
