"""
What executors write down themselves: a line when one starts, a line when it ends.

Each process has a file of its own, opened to be appended to. A line is one write, and the system keeps what was written
whatever becomes of the process: only the machine's end would lose it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from taskwarden.core.claim import Claim
from taskwarden.core.instant import at_micros, micros
from taskwarden.ids import TaskId
from tests.race.history import Execution

__all__ = ["Journal", "executions"]


@attrs.define(eq=False)
class Journal:
    """The journal of the process with number *process*, in *folder*."""

    folder: Path
    process: int
    _file: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        path = self.folder / f"{self.process}.journal"
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)

    def starts(self, claim: Claim) -> None:
        """Write that an executor begins to run *claim*."""
        lease = micros(claim.claimed_at), micros(claim.lease_until)
        self._write("starts", claim.task.id, claim.token, *lease)

    def ends(self, claim: Claim, how: str) -> None:
        """Write *how* the executor of *claim* ends: one word."""
        self._write("ends", claim.task.id, claim.token, how)

    def _write(self, *words: object) -> None:
        os.write(self._file, f"{time.monotonic():.6f} {' '.join(map(str, words))}\n".encode())


def executions(folder: Path, died: Mapping[int, float]) -> Iterator[Execution]:
    """
    Yield what the journals in *folder* tell.

    Args:
        died: Process to the instant before it was killed, for those that were.
    """
    for path in sorted(folder.glob("*.journal")):
        process = int(path.stem)
        open_: dict[tuple[TaskId, int], Execution] = {}
        for line in path.read_text(encoding="ascii").splitlines():
            at, word, task_id, token, *rest = line.split()
            run = TaskId(task_id), int(token)
            if word == "ends":
                yield attrs.evolve(open_.pop(run), ended=float(at), how=rest[0])
                continue
            if run in open_:
                yield open_[run]
            claimed_at, lease_until = (at_micros(int(each)) for each in rest)
            open_[run] = Execution(
                task_id=run[0],
                token=run[1],
                process=process,
                started=float(at),
                alive_until=died.get(process),
                claimed_at=claimed_at,
                lease_until=lease_until,
            )
        yield from open_.values()
