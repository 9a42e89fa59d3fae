"""Extremes: whatever text, id or figure comes in, it is kept or refused, and never spoils what else is there."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest

from taskwarden.core.claim import Claim, Receipt
from taskwarden.core.decision import Level, Notify, OpenIncident, ResolveIncident
from taskwarden.core.outcome import Skipped
from taskwarden.core.protocols import Store
from taskwarden.errors import InvalidValue, TaskNotFound
from taskwarden.ids import TaskId
from taskwarden.testing.builders import completed, deferred, failed, retried, spec
from taskwarden.testing.conformance.suite import (
    ALICE,
    FIRST,
    LEASE,
    PING,
    Suite,
    claim,
    claim_one,
    create,
    feed,
    finish,
    snapshot,
)

if TYPE_CHECKING:
    from taskwarden.core.change import Change
    from taskwarden.core.record import Run, TaskStatus
    from taskwarden.testing.clock import VirtualClock

PLAIN: Final = ("%s %(a)s :b ? $1 {c}", "'\"`\\", "Ünïcödé 😀 \u200b", "line\r\nend\t", " blank ", "x" * 200)
"""Texts that come back as they were."""
ODD: Final = ("nul\x00nul", "half \ud83d of a pair", "\udcff")
"""Texts that some databases cannot hold: what they cannot is replaced, if it is not refused."""
NOBODYS: Final = (
    *("", "no-such-task", "task-", "task-0", "task--1", "task-1.0", "task-\u0661", "task-" + "9" * 30),
    *("x" * 500, "nul\x00", "half \ud83d of a pair"),
)
"""Ids that no task has."""
HUGE: Final = 2**80


async def told(store: Store) -> Change:
    """Return the newest change."""
    return (await feed(store))[-1]


async def status_of(store: Store, held: Claim) -> TaskStatus:
    """Return the task that was claimed."""
    return await store.get(ALICE, held.task.id)


async def run_of(store: Store, held: Claim) -> Run:
    """Return the run that the claim became."""
    (run,) = await store.runs(ALICE, task_id=held.task.id, before=None, limit=1)
    return run


async def write_payload(store: Store, held: Claim, text: str) -> None:
    """Change the task's payload: key and value are *text*."""
    await store.ensure(ALICE, spec(PING, held.task.key, at=held.slot_at, payload={text: [text]}))


async def write_word(store: Store, held: Claim, text: str) -> None:
    """Steer the task, with *text* wherever there is one."""
    status = await status_of(store, held)
    assert await store.steer(ALICE, status.id, retried(status, held.slot_at, actor=text, detail=text, memory=text))


async def write_incident(store: Store, held: Claim, text: str) -> None:
    """Open an incident, see it again, open another and resolve that."""
    effects = (
        OpenIncident(text, text, text),
        OpenIncident(text, text, text),
        OpenIncident(f"{text}2", text, text),
        ResolveIncident(f"{text}2"),
    )
    assert await finish(store, held, effects=effects) is Receipt.RECORDED


async def read_incident(store: Store, held: Claim) -> tuple[object, ...]:
    """Return what is known of the incident."""
    (found,) = [one for one in await store.incidents(ALICE, open_only=True) if held.task.id in one.task_ids]
    assert found.sightings == 2
    return found.key, found.code, found.title


async def read_notice(store: Store, held: Claim) -> tuple[object, ...]:
    """Return what was told of the notice."""
    (found,) = [change for change in await feed(store) if change.notice is not None and change.task_id == held.task.id]
    assert found.notice is not None
    return found.notice.code, found.notice.message


def ended(**how: Callable[[str], Any]) -> Callable[[Store, Claim, str], Awaitable[object]]:
    """Return what completes a claim with fields that a text makes."""

    async def write(store: Store, held: Claim, text: str) -> None:
        done = completed(held, **{name: made(text) for name, made in how.items()})
        assert await store.complete([done]) == [Receipt.RECORDED]

    return write


Write = Callable[[Store, Claim, str], Awaitable[object]]
Read = Callable[[Store, Claim], Awaitable[object]]


def _of(find: Callable[[Store, Claim], Awaitable[Any]], get: Callable[[Any], object]) -> Read:
    async def read(store: Store, held: Claim) -> object:
        return get(await find(store, held))

    return read


async def _told(store: Store, _: Claim) -> Change:
    return await told(store)


WAYS: Final[dict[str, tuple[Write, Read, Callable[[str], object]]]] = {
    "message": (ended(outcome=lambda it: failed(message=it)), _of(run_of, lambda run: run.message), str),
    "skipped": (ended(outcome=Skipped), _of(run_of, lambda run: run.message), str),
    "rule": (ended(why=lambda it: (it,)), _of(run_of, lambda run: run.why), lambda it: (it,)),
    "result": (
        ended(result=lambda it: json.dumps({it: it}, ensure_ascii=False)),
        _of(run_of, lambda run: run.result),
        lambda it: {it: it},
    ),
    "reason": (ended(reason=str), _of(status_of, lambda status: status.plan_reason), str),
    "memory": (ended(memory=str), _of(status_of, lambda status: status.interval.memory), str),
    "incident": (write_incident, read_incident, lambda it: (it, it, it)),
    "notice": (ended(effects=lambda it: (Notify(Level.INFO, it, it),)), read_notice, lambda it: (it, it)),
    "deferral": (
        lambda store, held, it: store.defer([deferred(held, held.slot_at + LEASE, it)]),
        _of(status_of, lambda status: status.deferred_why),
        str,
    ),
    "actor": (
        lambda store, held, it: store.pause(ALICE, held.task.id, paused=True, actor=it),
        _of(_told, lambda change: change.actor),
        str,
    ),
    "word": (write_word, _of(_told, lambda change: (change.actor, change.detail)), lambda it: (it, it)),
    "payload": (write_payload, _of(status_of, lambda status: status.task.payload), lambda it: {it: [it]}),
}
"""Where text comes in: how it is written, how it is read, and what is then to be read."""


class Extremes(Suite):
    """What nobody means to do, and somebody will."""

    @pytest.mark.parametrize("way", WAYS)
    async def test_any_text_is_kept_or_refused_before_anything_is_written(self, store: Store, way: str) -> None:
        write, read, kept = WAYS[way]
        for number, text in enumerate((*PLAIN, *ODD)):
            await create(store, f"{number}")
            held = await claim_one(store)
            before = await snapshot(store)
            try:
                await write(store, held, text)
            except InvalidValue:
                assert text in ODD
                assert await snapshot(store) == before
                continue
            found = await read(store, held)
            assert text in ODD or found == kept(text)

    @pytest.mark.parametrize("text", [*PLAIN, *ODD, "x" * 5_000], ids=lambda text: ascii(text[:12]))
    async def test_any_code_of_a_failure_is_counted_as_it_stands_in_the_history(self, store: Store, text: str) -> None:
        await create(store)
        held = await claim_one(store)

        receipt = await finish(store, held, failed(f"unknown.{text}"))

        (tally,) = await store.tallies(ALICE)
        assert receipt is Receipt.RECORDED
        assert tally.code == (await run_of(store, held)).code
        assert tally.code.startswith("unknown")

    async def test_names_that_differ_at_all_are_names_of_different_tasks(self, store: Store) -> None:
        letters = ("a", "A", "\xe4", "a\u0308", "\xc4", "ss", "\xdf", "\u1e9e", "\u0131", "i", "\uff41")
        names = (*letters, "a b", "a\xa0b", "%", "_")

        made = {name: (await create(store, name)).id for name in names}

        assert len(set(made.values())) == len(names)
        for name in names:
            found = await store.find(ALICE, PING, name)
            assert found is not None
            assert (found.id, found.task.key) == (made[name], name)

    @pytest.mark.parametrize("name", NOBODYS, ids=lambda name: ascii(name[:12]))
    async def test_an_id_that_no_task_has_is_refused_or_lost_and_spoils_nothing(self, store: Store, name: str) -> None:
        await create(store, "one")
        await create(store, "two")
        one, two = await claim(store)
        nobodys = attrs.evolve(one, task=attrs.evolve(one.task, id=TaskId(name)))

        renewal = await store.renew(runner=FIRST, holds={TaskId(name): 1, one.task.id: one.token}, lease=LEASE)
        completing = await store.complete([completed(nobodys), completed(one)])
        deferring = await store.defer([deferred(nobodys, two.slot_at), deferred(two, two.slot_at)])

        assert renewal.lost == {name}
        assert list(completing) == list(deferring) == [Receipt.REFUSED, Receipt.RECORDED]
        assert list(await store.runs(ALICE, task_id=TaskId(name), before=None, limit=10)) == []
        with pytest.raises(TaskNotFound):
            await store.get(ALICE, TaskId(name))

    async def test_a_token_that_no_claim_has_is_lost(self, store: Store) -> None:
        await create(store)
        held = await claim_one(store)

        for token in (-1, 0, held.token + 1, HUGE, -HUGE):
            renewal = await store.renew(runner=FIRST, holds={held.task.id: token}, lease=LEASE)
            assert renewal.lost == {held.task.id}

    @pytest.mark.parametrize("figure", [2**31, 2**63, HUGE], ids=["2**31", "2**63", "2**80"])
    async def test_any_figure_is_kept_or_refused_before_anything_is_written(
        self, store: Store, clock: VirtualClock, figure: int
    ) -> None:
        async def kept(change: Awaitable[object]) -> bool:
            before = await snapshot(store)
            try:
                await change
            except InvalidValue:
                assert await snapshot(store) == before
                return False
            return True

        if await kept(store.set_tenant(ALICE, weight=figure)):
            assert (await store.tenant(ALICE)).weight == figure
        if await kept(store.set_tenant(ALICE, max_running=figure)):
            assert (await store.tenant(ALICE)).max_running == figure
        await kept(store.limit_kind(PING, figure))
        await kept(store.report_activity(ALICE, None, weight=figure, until=clock.now() + LEASE))
        if await kept(store.ensure(ALICE, spec(PING, "huge", at=clock.now(), payload_version=figure))):
            found = await store.find(ALICE, PING, "huge")
            assert found is not None
            assert found.task.payload_version == figure

    @pytest.mark.parametrize("figure", [2**31, 2**63 - 1], ids=["2**31", "2**63 - 1"])
    async def test_a_limit_may_be_any_number(self, store: Store, figure: int) -> None:
        made = await create(store)

        held = await claim_one(store)
        await finish(store, held)

        assert len((await store.changes(0, limit=figure)).changes) == 2
        assert len(await store.runs(ALICE, task_id=None, before=None, limit=figure)) == 1
        (found,) = await store.tasks(ALICE, kind=None, status=None, after=None, limit=figure)
        assert found.id == made.id
