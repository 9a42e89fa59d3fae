"""Seeds are histories: each keeps every promise, and each can be had again, step by step."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta

import anyio
import pytest

from taskwarden.core.claim import Receipt, Renewal
from taskwarden.ids import RunnerId, TaskId
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing import Simulation, simulate
from taskwarden.testing.simulation import CALM, HARSH, Faults, Mode, Report, SimulationFailed
from taskwarden.testing.simulation.history import Claimed, Completed, Entry, Jumped, Renewed, Trespassed
from tests.stores.toy_ledger import Ledger
from tests.stores.toy_store import ToyStore

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
SIX_HOURS = timedelta(hours=6)
SEEDS = range(int(os.environ.get("SIMULATION_SEEDS", "8")))


def played(seed: int, *, mode: Mode = Mode.SAFETY, length: timedelta = DAY, faults: Faults = HARSH) -> Report:
    return anyio.run(Simulation(seed=seed, mode=mode, length=length, tenants=2, faults=faults).run)


@pytest.mark.parametrize("seed", SEEDS)
def test_safety_holds_at_every_instant_whatever_goes_wrong(seed: int) -> None:
    simulate(seed, length=DAY).check()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(3))
def test_every_task_is_back_within_the_stated_time_after_the_last_fault(seed: int) -> None:
    played(seed, mode=Mode.LIVENESS).check()


async def test_safety_holds_on_every_event_loop() -> None:
    (await Simulation(seed=1, length=SIX_HOURS).run()).check()


def test_without_faults_no_run_is_lost_and_no_outcome_refused() -> None:
    report = played(1, faults=CALM)
    report.check()

    assert not [
        claim for entry in report.history if isinstance(entry, Claimed) for claim in entry.claims if claim.lost_by
    ]
    assert Receipt.REFUSED not in receipts(report.history)


def receipts(history: Iterable[Entry]) -> set[Receipt]:
    return {each for entry in history if isinstance(entry, Completed) for each in entry.receipts}


def test_what_can_go_wrong_does_go_wrong() -> None:
    history = [entry for seed in range(3) for entry in simulate(seed, length=DAY).history]
    claims = [claim for entry in history if isinstance(entry, Claimed) for claim in entry.claims]

    assert receipts(history) == set(Receipt)
    assert any(claim.lost_by for claim in claims)
    assert any(entry.lost for entry in history if isinstance(entry, Renewed))
    assert {entry.by > timedelta(0) for entry in history if isinstance(entry, Jumped)} == {True, False}
    assert any(isinstance(entry, Trespassed) for entry in history)


def test_a_seed_is_replayed_step_by_step() -> None:
    first, second = (simulate(7, length=SIX_HOURS) for _ in range(2))

    assert (first.digest, first.tail) == (second.digest, second.tail)


def test_another_seed_is_another_history() -> None:
    assert len({simulate(seed, length=SIX_HOURS).digest for seed in range(3)}) == 3


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_a_seed_is_replayed_in_another_process_whatever_its_hashes(hash_seed: str) -> None:
    program = """
from datetime import timedelta
from taskwarden.testing import simulate
print(simulate(7, length=timedelta(hours=6)).digest)
"""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, env=environment, check=True
    )

    assert done.stdout.strip() == simulate(7, length=SIX_HOURS).digest


def test_any_store_that_answers_without_waiting_can_be_simulated() -> None:
    anyio.run(Simulation(seed=3, length=SIX_HOURS, store=lambda clock: ToyStore(Ledger(clock.now))).run).check()


class NeverRenews(MemoryStore):
    """Promises to prolong a lease, and does not."""

    async def renew(self, *, runner: RunnerId, holds: Mapping[TaskId, int], lease: timedelta) -> Renewal:
        now = await self.now()
        return Renewal(now, now + lease)


def test_a_store_that_breaks_its_word_is_found_and_the_report_says_how_to_see_it_again() -> None:
    report = anyio.run(Simulation(seed=4, length=DAY, store=NeverRenews).run)

    assert "at most one live lease" in {violation.rule for violation in report.violations}
    with pytest.raises(
        SimulationFailed, match=r"(?s)seed 4: .*simulate\(4, mode=Mode\.SAFETY\).*at most one live lease"
    ):
        report.check()
