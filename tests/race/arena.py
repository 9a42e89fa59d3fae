"""
Where processes race: they are started, killed at random and replaced, and none outlives the arena.

Theory: a process that is killed must not be missed by its parent, and one whose parent is killed must not go on. The
first is this module's: leaving the arena kills what is left and waits for it. The second is the child's: it holds the
reading end of a pipe whose other end only we hold, and ends with it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import attrs

from tests.race.program import Orders

__all__ = ["Arena", "chaos"]

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 60.0
"""Seconds for a process to drain."""


@attrs.define(eq=False)
class Arena:
    """
    Processes that race; a context manager, at whose end none is left.

    Args:
        folder: Where their journals and what they complain about are kept.
        urls: The database of each, perhaps by different drivers. The first half of them know the kinds with caps.
        lease: Seconds.
        died: Each process that was killed, and the monotonic instant before that.
        failures: What processes did that ended, or would not end, by themselves.
    """

    folder: Path
    urls: Sequence[str]
    lease: float
    concurrency: int = 40
    died: dict[int, float] = attrs.field(factory=dict, init=False)
    failures: list[str] = attrs.field(factory=list, init=False)
    _started: int = attrs.field(default=0, init=False)
    _running: dict[int, tuple[int, subprocess.Popen[bytes]]] = attrs.field(factory=dict, init=False)

    def __enter__(self) -> Self:
        try:
            for place in range(len(self.urls)):
                self._start(place)
            for process in self.processes:
                assert process.stdout is not None
                process.stdout.readline()  # it runs, or it has ended
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def processes(self) -> list[subprocess.Popen[bytes]]:
        """The processes that were started last, in each place."""
        return [process for _, process in self._running.values()]

    def kill(self, rng: random.Random) -> None:
        """Kill one of the processes with SIGKILL, in the midst of whatever it does, and start another in its place."""
        place = rng.choice(sorted(self._running))
        number, process = self._running.pop(place)
        alive_until = time.monotonic()
        process.kill()
        process.communicate()
        if process.returncode == -signal.SIGKILL:
            self.died[number] = alive_until
        else:
            self.failures.append(f"process {number} ended by itself with {process.returncode}: {self._words(number)}")
        self._start(place)

    def drain(self) -> None:
        """Tell all processes to stop, and wait until they have ended."""
        for process in self.processes:
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # it has ended by itself, as its exit code will tell
                process.stdin.write(b"stop\n")
                process.stdin.flush()
        for number, process in self._running.values():
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.failures.append(f"process {number} did not drain: {self._words(number)}")
                continue
            if code:
                self.failures.append(f"process {number} ended with {code}: {self._words(number)}")

    def complaints(self) -> list[str]:
        """Return the lines in which a process told of an error that no store should raise."""
        said = (self._words(int(path.stem)) for path in self.folder.glob("*.log"))
        return [words for words in said if "Traceback" in words]

    def _start(self, place: int) -> None:
        self._started += 1
        number = self._started
        orders = Orders(
            number=number,
            backend=("asyncio", "trio")[place % 2],
            url=self.urls[place],
            folder=str(self.folder),
            capped=place < (len(self.urls) + 1) // 2,
            lease=self.lease,
            concurrency=self.concurrency,
        )
        with (self.folder / f"{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.race.program", orders.text()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self._running[place] = number, process

    def _words(self, number: int) -> str:
        return (self.folder / f"{number}.log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def _close(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.communicate()


def chaos(seconds: float, deeds: Iterable[tuple[float, Callable[[], object]]]) -> None:
    """Do each of *deeds* so many seconds from now, in their order, and return after *seconds*."""
    begin = time.monotonic()
    for at, deed in sorted(deeds, key=lambda deed: deed[0]):
        _wait_until(begin + at)
        deed()
    _wait_until(begin + seconds)


def _wait_until(instant: float) -> None:
    # The one place where a test sleeps: a race is one of real processes in real time.
    time.sleep(max(instant - time.monotonic(), 0))
