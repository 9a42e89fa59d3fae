"""
Real processes race over one database while they are killed at random, and the database goes away: nothing is lost.

The checker decides, by history alone. By default the races are short; ``TASKWARDEN_TEST_RACE=full`` runs them for a
minute each, with 20,000 one-off tasks and 2,000 recurring ones.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import pytest
from anyio.from_thread import start_blocking_portal

from taskwarden.core.record import Ending
from taskwarden.ids import TenantId
from tests.databases import PostgresServer, mariadb_database, sqlite_database
from tests.databases.postgres import absent
from tests.databases.programs import NoPostgres
from tests.race.arena import Arena, chaos
from tests.race.checker import check
from tests.race.history import Caps, History
from tests.race.journal import executions
from tests.race.witness import Witness, planned

LOG: Final = logging.getLogger("taskwarden.race")
LEASE: Final = 3.0
CAPS: Final[Caps] = {TenantId(f"tenant-{number}"): 2 + number // 25 for number in range(0, 100, 10)}
"""Every tenth tenant may run so many of its tasks at the same time."""
AWAY: Final = 2.5
"""Seconds for which the database is away when it is restarted."""

Deed = tuple[float, Callable[[], object]]


@attrs.frozen
class Size:
    """How much happens, and for how many seconds; *patience* is how long everything may take to come to rest."""

    seconds: float
    one_offs: int
    recurring: int
    patience: float


FULL: Final = {"": False, "full": True}[os.environ.get("TASKWARDEN_TEST_RACE", "")]
OF_FOUR: Final = Size(60, 20_000, 2_000, 900) if FULL else Size(15, 4_000, 400, 150)
"""A race of four processes."""
OF_TWO: Final = OF_FOUR if FULL else Size(15, 2_000, 200, 150)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600 if FULL else 480)]


@attrs.frozen
class Figures:
    """What a race was like."""

    chaos: float
    """Seconds, as are the next two, from the beginning."""
    done: float
    rest: float
    history: History
    arena: Arena
    witness: Witness

    def __str__(self) -> str:
        runs = self.history.runs
        of_ending = {ending: sum(run.ending is ending for run in runs) for ending in Ending}
        return (
            f"chaos {self.chaos:.0f} s, one-offs done after {self.done:.0f} s, all at rest after {self.rest:.0f} s; "
            f"{len(self.arena.died)} kills; {len(self.history.executions)} executions; runs: "
            f"{', '.join(f'{count} {ending}' for ending, count in of_ending.items() if count)}; "
            f"{sum(run.coalesced for run in runs)} slots coalesced; {self.witness.away} calls went unanswered"
        )


def race(urls: Sequence[str], folder: Path, size: Size, deeds: Sequence[Deed] = ()) -> Figures:
    """Let processes race over the database at *urls* while one is killed each second, and return what remains."""
    rng = random.Random()
    plans = planned(rng, CAPS, one_offs=size.one_offs, recurring=size.recurring, seconds=size.seconds, lease=LEASE)
    early = size.recurring + size.one_offs * 3 // 4
    arena = Arena(folder, urls, LEASE)
    kills = [(float(second), partial(arena.kill, rng)) for second in range(1, int(size.seconds))]
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Witness.at(urls[0], folder)) as witness:
        store = witness.warden.store
        portal.call(witness.cap, CAPS)
        portal.call(witness.create, plans[:early], portal.call(store.now))
        following = portal.start_task_soon(witness.follow)
        begin = time.monotonic()
        with arena:
            late = portal.start_task_soon(witness.create, plans[early:], portal.call(store.now))
            chaos(size.seconds, [*kills, *deeds])
            after_chaos = time.monotonic() - begin
            late.result(size.patience)
            portal.call(witness.until, lambda: len(witness.done) >= size.one_offs, size.patience)
            done = time.monotonic() - begin
            witness.ticked.clear()
            portal.call(witness.until, lambda: len(witness.ticked) >= size.recurring, size.patience)
            rest, stopped_at = time.monotonic() - begin, portal.call(store.now)
            arena.drain()
        executed = list(executions(folder, arena.died))
        history = portal.call(witness.testify, plans, CAPS, executed, stopped_at)
        following.cancel()
    return Figures(after_chaos, done, rest, history, arena, witness)


def decide(what: str, figures: Figures) -> None:
    """Let the checker decide, and say what it was about."""
    LOG.info("race over %s: %s", what, figures)
    violations = check(figures.history)
    shown = "\n".join(str(violation)[:600] for violation in violations[:40])
    assert not violations, f"{len(violations)} violations; {figures}\n{shown}"
    assert figures.arena.failures == []
    assert figures.arena.complaints() == []
    assert figures.witness.resets == 0


def test_nothing_is_lost_on_postgresql_that_goes_away_twice(tmp_path: Path) -> None:
    try:
        server = PostgresServer()
    except NoPostgres as absence:
        absent(str(absence))
    with server:
        first, second = OF_FOUR.seconds * 0.3, OF_FOUR.seconds * 0.65
        deeds: list[Deed] = [
            (first, server.stop),
            (first + AWAY, server.start),
            (second, partial(server.stop, immediate=True)),  # a crash
            (second + AWAY, server.start),
        ]
        # By default asyncpg in the event loop of asyncio, and psycopg in threads beside that of trio.
        default, in_threads = server.url, server.url.replace("postgresql:", "postgresql+psycopg:")
        decide("PostgreSQL", race([default, default, in_threads, default], tmp_path, OF_FOUR, deeds))


def test_nothing_is_lost_on_sqlite(tmp_path: Path) -> None:
    with sqlite_database(tmp_path) as url:
        decide("SQLite", race([url, url], tmp_path, OF_TWO))


def test_nothing_is_lost_on_mariadb(tmp_path: Path) -> None:
    with mariadb_database() as url:
        decide("MariaDB", race([url, url], tmp_path, OF_TWO))
