"""The command line: ``taskwarden``, or ``python -m taskwarden``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from taskwarden.cli.extras import missing

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run the command line with *arguments*, by default those of this process; ends with ``SystemExit``.

    Without the extra ``cli`` it says so, and ends with status 1.
    """
    try:
        from taskwarden.cli.command import command  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        sys.exit(missing(error, "cli", "The command line"))
    command(arguments, prog_name="taskwarden")
