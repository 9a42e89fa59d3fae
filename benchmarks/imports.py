"""
`import taskwarden`, byte-compiled: what it adds to a bare interpreter, and that it imports none of the extras.

Names are imported when they are first used, so the bare import says little of what a process pays in the end: that of
every exported name is measured beside it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median
from typing import Final

from benchmarks.table import REPETITIONS, Row

__all__ = ["measure"]

EXTRAS: Final = {"click", "httpx", "hypothesis", "pytest", "rich", "sqlalchemy", "starlette", "trio", "uvicorn"}
MOST_MS: Final = 150.0

PROGRAMS: Final = {
    "import taskwarden": "import taskwarden",
    "every name that taskwarden exports": "from taskwarden import *",
}
_LOADED: Final = """
import sys
from taskwarden import *
print(*{name.partition(".")[0] for name in sys.modules})
"""


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return the milliseconds that the imports add, and how many extras they import."""
    return measured(3 if quick else 20)


def measured(starts: int) -> list[Row]:
    """Return what ``measure`` does, for as many *starts* of each interpreter in a repetition."""
    loaded = set(_python(_LOADED).split())  # the first import also writes the byte code
    added: dict[str, list[float]] = {what: [] for what in PROGRAMS}
    for _ in range(REPETITIONS):
        for what, milliseconds in _added_ms(starts).items():
            added[what].append(milliseconds)
    return [
        *(Row(f"{what}, beyond a bare start", tuple(each), "ms", at_most=MOST_MS) for what, each in added.items()),
        Row("extras imported", (len(loaded & EXTRAS),), "modules", at_most=0),
    ]


def _added_ms(starts: int) -> dict[str, float]:
    """Return what each program adds: the difference of the medians over *starts* interpreters, started in turns."""
    bare: list[float] = []
    importing: dict[str, list[float]] = {what: [] for what in PROGRAMS}
    for _ in range(starts):
        bare.append(_seconds("pass"))
        for what, program in PROGRAMS.items():
            importing[what].append(_seconds(program))
    return {what: (median(taken) - median(bare)) * 1000 for what, taken in importing.items()}


def _seconds(program: str) -> float:
    begun = time.perf_counter()
    _python(program)
    return time.perf_counter() - begun


def _python(program: str) -> str:
    # -P: the folder that we were started from is not looked at.
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout
