"""Of stores whose data outlive the object: two processes over the same data, and one after the other."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from taskwarden.core.claim import Receipt
from taskwarden.core.decision import OpenIncident
from taskwarden.ids import RunnerId
from taskwarden.testing.builders import spec
from taskwarden.testing.conformance.suite import (
    ALICE,
    FIRST,
    LEASE,
    PING,
    SECOND_RUNNER,
    Suite,
    claim,
    claim_one,
    create,
    finish,
    run,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from taskwarden.core.claim import Claim
    from taskwarden.core.protocols import Ensured, Store
    from taskwarden.testing.clock import VirtualClock


class Lasting(Suite):
    """``another``: skipped where the data live and die with the object."""

    @asynccontextmanager
    async def _other(self, store: Store, clock: VirtualClock) -> AsyncIterator[Store]:
        opening = self.another(store, clock)
        if opening is None:
            pytest.skip("the store says that its data live and die with the object (another)")
        async with opening as other:
            yield other

    async def test_what_one_store_wrote_another_over_the_same_data_reads(
        self, store: Store, clock: VirtualClock
    ) -> None:
        async with self._other(store, clock) as other:
            await create(store, "held", payload={"n": 1})
            await run(store, effects=(OpenIncident("k", "unknown", "t"),))
            await store.set_tenant(ALICE, weight=3)

            assert await snapshot(other) == await snapshot(store)

    async def test_what_was_written_outlasts_the_store_that_wrote_it(self, store: Store, clock: VirtualClock) -> None:
        async with self._other(store, clock) as other:
            await create(store, "done")
            await run(store)
            await create(store, "held")
            held = await claim_one(store)
            before = await snapshot(store)
            await store.close()

            assert await snapshot(other) == before
            assert await finish(other, held) is Receipt.RECORDED

    async def test_two_stores_over_the_same_data_never_claim_the_same_task(
        self, store: Store, clock: VirtualClock
    ) -> None:
        taken: list[Claim] = []

        async def work(where: Store, runner: RunnerId) -> None:
            while claims := await claim(where, 3, runner=runner):
                taken.extend(claims)

        async with self._other(store, clock) as other:
            for number in range(40):
                await create(store, f"{number}")
            async with anyio.create_task_group() as tg:
                tg.start_soon(work, store, FIRST)
                tg.start_soon(work, other, SECOND_RUNNER)

        assert len({held.task.id for held in taken}) == len(taken) == 40

    async def test_a_cap_holds_over_two_stores_with_the_same_data(self, store: Store, clock: VirtualClock) -> None:
        async with self._other(store, clock) as other:
            await store.set_tenant(ALICE, max_running=2)
            for number in range(5):
                await create(store, f"{number}")

            sizes = [len(await claim(store, 1)), len(await claim(other)), len(await claim(store))]

        assert sizes == [1, 1, 0]

    async def test_a_lease_taken_through_one_store_is_lost_through_the_other(
        self, store: Store, clock: VirtualClock
    ) -> None:
        async with self._other(store, clock) as other:
            await create(store)
            stale = await claim_one(store)
            clock.jump(2 * LEASE)
            taken = await claim_one(other, runner=SECOND_RUNNER)

            assert taken.lost_by == FIRST
            assert await finish(store, stale) is Receipt.REFUSED

    async def test_concurrent_ensures_through_two_stores_make_one_task(self, store: Store, clock: VirtualClock) -> None:
        answers: list[Ensured] = []
        wanted = spec(PING, "task", at=clock.now())

        async def ensure(where: Store) -> None:
            answers.append(await where.ensure(ALICE, wanted))

        async with self._other(store, clock) as other, anyio.create_task_group() as tg:
            for where in (store, other) * 4:
                tg.start_soon(ensure, where)

        assert len({answer.status.id for answer in answers}) == 1
        assert sorted(answer.how for answer in answers) == ["created"] + ["unchanged"] * 7
