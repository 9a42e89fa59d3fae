"""Walls: between tenants, against bad input, and after the end; around every method of ``Store``, by introspection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from inspect import iscoroutinefunction, signature
from typing import Final

import attrs
import pytest

from taskwarden.core.claim import Claim
from taskwarden.core.decision import OpenIncident
from taskwarden.core.protocols import Store
from taskwarden.core.record import Run, TaskStatus
from taskwarden.errors import Closed, InvalidValue, TaskNotFound
from taskwarden.ids import TenantId
from taskwarden.testing.builders import completed, deferred, failed, retried, spec
from taskwarden.testing.clock import VirtualClock
from taskwarden.testing.conformance.suite import (
    ALICE,
    BOB,
    FIRST,
    HOUR,
    KINDS,
    LEASE,
    PING,
    Suite,
    claim,
    claim_one,
    create,
    finish,
    snapshot,
)

CANARY: Final = "canary-7f3a"


@attrs.frozen
class Target:
    """Alice's task, a run of it and a claim of it: what Bob names in his calls."""

    status: TaskStatus
    run: Run
    claim: Claim


Call = Callable[[Store, TenantId, Target], Awaitable[object]]

ABSENT: Final[dict[str, Call]] = {
    "get": lambda store, tenant, at: store.get(tenant, at.status.id),
    "pause": lambda store, tenant, at: store.pause(tenant, at.status.id, paused=True, actor=""),
    "steer": lambda store, tenant, at: store.steer(tenant, at.status.id, retried(at.status, at.status.as_of)),
    "request_run": lambda store, tenant, at: store.request_run(tenant, at.status.id, at=at.status.as_of, actor=""),
    "delete": lambda store, tenant, at: store.delete(tenant, at.status.id, detach=True, actor=""),
    "open_incident": lambda store, tenant, at: store.open_incident(
        tenant, OpenIncident("key", "unknown", "title"), at.status.id
    ),
    "ensure": lambda store, tenant, at: store.ensure(
        tenant, spec(PING, "bobs", at=at.status.as_of, depends_on=[at.status.id])
    ),
}
"""Methods that take a tenant and name a task: another tenant's reads as absent."""

OWN: Final[dict[str, Call]] = {
    "find": lambda store, tenant, at: store.find(tenant, at.status.kind, at.status.key),
    "tasks": lambda store, tenant, _: store.tasks(tenant, kind=None, status=None, after=None, limit=100),
    "runs": lambda store, tenant, _: store.runs(tenant, task_id=None, before=None, limit=100),
    "incidents": lambda store, tenant, _: store.incidents(tenant, open_only=False),
    "tallies": lambda store, tenant, _: store.tallies(tenant),
    "changes": lambda store, tenant, _: store.changes(0, limit=1_000, tenant=tenant),
    "tenant": lambda store, tenant, _: store.tenant(tenant),
    "set_tenant": lambda store, tenant, _: store.set_tenant(tenant, paused=True, weight=9, max_running=1),
    "report_activity": lambda store, tenant, at: store.report_activity(
        tenant, None, weight=7, until=at.status.as_of + HOUR
    ),
}
"""Methods that take a tenant: they read and write its own."""

WHOLE: Final[dict[str, Call]] = {
    "now": lambda store, *_: store.now(),
    "claim": lambda store, *_: store.claim(runner=FIRST, kinds=KINDS, limit=1, lease=LEASE),
    "renew": lambda store, _, at: store.renew(runner=FIRST, holds={at.status.id: 1}, lease=LEASE),
    "complete": lambda store, _, at: store.complete([completed(at.claim)]),
    "defer": lambda store, _, at: store.defer([deferred(at.claim, at.status.as_of)]),
    "listen": lambda store, *_: store.listen(lambda _: None),
    "limit_kind": lambda store, *_: store.limit_kind(PING, 1),
    "cursor": lambda store, *_: store.cursor(),
}
"""Methods for runners, which serve all tenants."""


def methods_of_store() -> dict[str, bool]:
    """Return the names of all methods of ``Store``, and whether each takes a tenant."""
    public = {name: found for name, found in vars(Store).items() if not name.startswith("_")}
    return {
        name: "tenant" in signature(found).parameters for name, found in public.items() if iscoroutinefunction(found)
    }


async def target(store: Store) -> Target:
    """Give Alice a task whose every text holds the canary, and Bob one of the same name."""
    made = await create(store, f"key-{CANARY}", payload={CANARY: CANARY}, reason=CANARY)
    await create(store, f"key-{CANARY}", tenant=BOB, at=await store.now() + HOUR)
    held = await claim_one(store)
    incident = OpenIncident(CANARY, "unknown", CANARY)
    await finish(store, held, failed("unknown", CANARY), result=f'"{CANARY}"', why=(CANARY,), effects=(incident,))
    await store.report_activity(ALICE, None, weight=3, until=await store.now() + HOUR)
    (row,) = await store.runs(ALICE, task_id=made.id, before=None, limit=1)
    return Target(await store.get(ALICE, made.id), row, held)


class Walls(Suite):
    """What must not happen."""

    def test_the_sweeps_leave_no_method_of_the_store_out(self) -> None:
        swept = dict.fromkeys(WHOLE, False) | dict.fromkeys(ABSENT, True) | dict.fromkeys(OWN, True)

        assert swept | {"close": False} == methods_of_store()

    @pytest.mark.parametrize("method", ABSENT)
    async def test_another_tenants_task_reads_as_absent(self, store: Store, method: str) -> None:
        alices = await target(store)
        before = await snapshot(store)

        with pytest.raises(TaskNotFound) as refused:
            await ABSENT[method](store, BOB, alices)

        assert CANARY not in str(refused.value)
        assert await snapshot(store) == before

    @pytest.mark.parametrize("method", OWN)
    async def test_another_tenants_data_is_neither_shown_nor_touched(self, store: Store, method: str) -> None:
        alices = await target(store)
        before = await snapshot(store, [ALICE])

        answer = await OWN[method](store, TenantId("mallory"), alices)

        assert CANARY not in repr(answer)
        assert ALICE not in repr(answer)
        assert await snapshot(store, [ALICE]) == before

    async def test_another_tenants_runs_are_not_shown_by_naming_task_or_run(self, store: Store) -> None:
        alices = await target(store)
        mine = await create(store, "mine", tenant=BOB)

        by_run = await store.runs(BOB, task_id=None, before=alices.run.id, limit=10)
        by_task = await store.runs(BOB, task_id=alices.status.id, before=None, limit=10)
        after = await store.tasks(BOB, kind=None, status=None, after=alices.status.id, limit=10)

        assert (list(by_run), list(by_task)) == ([], [])
        assert {status.tenant for status in after} <= {mine.tenant}

    async def test_another_tenants_activity_is_not_believed(self, store: Store) -> None:
        await store.report_activity(BOB, None, weight=9, until=await store.now() + HOUR)
        await create(store)

        assert (await claim_one(store)).state.activity is None

    async def test_another_tenants_completion_of_a_name_changes_ones_own_nothing(self, store: Store) -> None:
        alices = await create(store, "same")
        await create(store, "same", tenant=BOB)
        held = {each.task.tenant: each for each in await claim(store)}
        await finish(store, held[BOB])

        assert (await store.get(ALICE, alices.id)).runner == FIRST
        assert list(await store.runs(ALICE, task_id=None, before=None, limit=10)) == []

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_claim_of_less_than_one_task_is_refused(self, store: Store, limit: int) -> None:
        await create(store)
        before = await snapshot(store)

        with pytest.raises(InvalidValue):
            await store.claim(runner=FIRST, kinds=KINDS, limit=limit, lease=LEASE)

        assert await snapshot(store) == before

    @pytest.mark.parametrize("seconds", [0, -1])
    async def test_a_lease_that_is_not_positive_is_refused(self, store: Store, seconds: int) -> None:
        await create(store, "held")
        held = await claim_one(store)
        await create(store, "due")
        before = await snapshot(store)

        with pytest.raises(InvalidValue):
            await store.claim(runner=FIRST, kinds=KINDS, limit=1, lease=timedelta(seconds=seconds))
        with pytest.raises(InvalidValue):
            await store.renew(runner=FIRST, holds={held.task.id: held.token}, lease=timedelta(seconds=seconds))

        assert await snapshot(store) == before

    @pytest.mark.parametrize("weight", [0, -3])
    async def test_a_weight_below_one_is_refused(self, store: Store, weight: int) -> None:
        with pytest.raises(InvalidValue):
            await store.set_tenant(ALICE, weight=weight, max_running=1)

        assert (await store.tenant(ALICE)).weight == 1
        assert (await store.tenant(ALICE)).max_running is None

    @pytest.mark.parametrize("method", sorted({**WHOLE, **ABSENT, **OWN}))
    async def test_after_its_end_a_store_refuses_every_call(self, store: Store, method: str) -> None:
        alices = await target(store)
        await store.close()

        with pytest.raises(Closed):
            await {**WHOLE, **ABSENT, **OWN}[method](store, ALICE, alices)

    async def test_a_store_may_be_closed_twice(self, store: Store) -> None:
        await store.close()
        await store.close()

    async def test_each_store_has_a_life_of_its_own(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        async with self.make_store(clock) as fresh:
            found = await fresh.tasks(ALICE, kind=None, status=None, after=None, limit=10)
            claims = await claim(fresh)

        assert (list(found), claims) == ([], ())
        assert len(await claim(store)) == 1
