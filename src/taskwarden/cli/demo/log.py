"""What the library logs, as news: written to the terminal it would go right across the picture."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["overheard"]


@contextmanager
def overheard() -> Iterator[list[str]]:
    """Give a list to which, within the block, the library's warnings and errors go instead of anywhere else."""
    logger, texts = logging.getLogger("taskwarden"), list[str]()
    handler, propagates = _Listener(texts), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield texts
    finally:
        logger.propagate = propagates
        logger.removeHandler(handler)


class _Listener(logging.Handler):
    """Keeps what is logged from warnings upwards."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._texts = texts

    def emit(self, record: logging.LogRecord) -> None:
        self._texts.append(f"{record.levelname.lower()}: {record.getMessage()}")
