"""What to say where an extra is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["missing"]

_OF_EXTRAS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "cli": frozenset({"click", "rich"}),
        "demo": frozenset({"click", "httpx", "rich", "starlette", "uvicorn"}),
        "trio": frozenset({"trio"}),
    }
)
"""The packages that each extra brings, as pyproject.toml has them."""


def missing(error: ModuleNotFoundError, extra: str, what: str) -> str:
    """
    Return which *extra* to install for *what*, because of *error*.

    Raises:
        ModuleNotFoundError: The module is none of the extra's: *error* itself, since that is no missing extra.
    """
    absent = (error.name or "").partition(".")[0]
    if absent not in _OF_EXTRAS[extra]:
        raise error
    return f'{what} needs the package {absent!r}, which is not installed: pip install "taskwarden[{extra}]"'
