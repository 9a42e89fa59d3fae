"""The memory store and the toy store look the same, whatever happens to them (P42)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from taskwarden.core.claim import Completion, Receipt
from taskwarden.core.protocols import Ensured, Store, TaskSpec
from taskwarden.ids import TenantId
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.agreement import AgreementMachine
from taskwarden.testing.clock import VirtualClock
from taskwarden.testing.lockstep import Disagreement
from tests.stores.toy_ledger import Ledger
from tests.stores.toy_store import ToyStore

# A story that tells stores apart takes its time to be made short.
pytestmark = pytest.mark.timeout(600)


@asynccontextmanager
async def open_toy(clock: VirtualClock) -> AsyncIterator[Store]:
    yield ToyStore(Ledger(clock.now))


@asynccontextmanager
async def open_memory(clock: VirtualClock) -> AsyncIterator[Store]:
    yield MemoryStore(clock)


class MemoryAgreesWithToy(AgreementMachine):
    stores = {"toy": open_toy, "memory": open_memory}


class WaitingStore(ToyStore):
    """Really waits, as a store with a database does."""

    async def ensure(self, tenant: TenantId, spec: TaskSpec, *, connection: object | None = None) -> Ensured:
        await checkpoint()
        return await super().ensure(tenant, spec, connection=connection)


@asynccontextmanager
async def open_waiting(clock: VirtualClock) -> AsyncIterator[Store]:
    async with anyio.create_task_group():  # entered and left by one task of the loop
        yield WaitingStore(Ledger(clock.now))


class WaitingAgreesWithToy(AgreementMachine):
    stores = {"toy": open_toy, "waiting": open_waiting}
    suspends = True


class ForgetfulStore(ToyStore):
    """Counts no attempts."""

    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        return await super().complete([attrs.evolve(done, attempt=1) for done in completions])


@asynccontextmanager
async def open_forgetful(clock: VirtualClock) -> AsyncIterator[Store]:
    yield ForgetfulStore(Ledger(clock.now))


class ForgetfulAgreesWithToy(AgreementMachine):
    stores = {"toy": open_toy, "forgetful": open_forgetful}


def test_stores_that_wait_are_driven_by_an_event_loop() -> None:
    run_state_machine_as_test(WaitingAgreesWithToy, settings=settings(max_examples=5))


def test_a_store_that_waits_is_told_from_one_that_does_not() -> None:
    class Mistaken(WaitingAgreesWithToy):
        suspends = False

    with pytest.raises(RuntimeError, match="suspends = True"):
        run_state_machine_as_test(Mistaken, settings=settings(max_examples=5))


def test_stores_that_part_are_told_apart() -> None:
    searching = settings(max_examples=500, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)

    with pytest.raises(Disagreement, match="attempt"):
        run_state_machine_as_test(ForgetfulAgreesWithToy, settings=searching)


TestMemoryAgreesWithToy = MemoryAgreesWithToy.TestCase
TestMemoryAgreesWithToy.settings = settings(stateful_step_count=60)
