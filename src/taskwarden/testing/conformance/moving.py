"""The lifecycle: states move as its table says, and what a task shows fits its state, whatever happens."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from taskwarden.core.claim import Claim
from taskwarden.core.lifecycle import TRANSITIONS, State
from taskwarden.core.outcome import Interrupted, Lost, Skipped, Succeeded
from taskwarden.testing.builders import deferred, failed, retried, spec
from taskwarden.testing.conformance.suite import (
    ALICE,
    LEASE,
    MINUTE,
    PING,
    SECOND,
    Suite,
    claim,
    create,
    finish,
    refresh,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskwarden.core.protocols import Store
    from taskwarden.core.record import TaskStatus
    from taskwarden.testing.clock import VirtualClock

MOVES = {(before, after) for (before, _), after in TRANSITIONS.items()} | {(state, state) for state in State}
OUTCOMES = (Succeeded(), Succeeded(), failed(), Skipped(), Interrupted(), Lost())


class Moving(Suite):
    """All methods that move a task, in any order."""

    @pytest.mark.parametrize("seed", range(6))
    async def test_a_task_moves_only_as_the_lifecycle_table_says(
        self, store: Store, clock: VirtualClock, seed: int
    ) -> None:
        rng, held = Random(seed), list[Claim]()
        tasks = [await create(store, "0")]
        for number in range(1, 4):
            tasks.append(await create(store, f"{number}", depends_on=[tasks[-1].id] if number % 2 else ()))
        states = [task.state for task in tasks]

        for _ in range(self.walk):
            step = await _step(store, clock, rng, rng.choice(tasks), held)
            after = [task.state for task in await _all(store)]
            assert set(zip(states, after, strict=True)) <= MOVES, step
            states = after

    @pytest.mark.parametrize("seed", range(6))
    async def test_what_a_task_shows_fits_its_state(self, store: Store, clock: VirtualClock, seed: int) -> None:
        rng, held = Random(seed), list[Claim]()
        tasks = [await create(store, "0")]
        for number in range(1, 4):
            tasks.append(await create(store, f"{number}", depends_on=[tasks[-1].id] if number % 2 else ()))

        for _ in range(self.walk):
            step = await _step(store, clock, rng, rng.choice(tasks), held)
            for shown in (*await _all(store), await refresh(store, rng.choice(tasks))):
                runs = shown.state is State.RUNNING
                assert (shown.runner is not None, shown.lease_until is not None) == (runs, runs), step
                assert (shown.running_since is not None, bool(shown.blocked_by)) == (
                    runs,
                    shown.state is State.BLOCKED,
                ), step
                if not runs:
                    has_slot = shown.state is not State.DONE
                    assert (shown.slot_at is not None, shown.next_run_at is not None) == (has_slot, has_slot), step
                assert shown.attempt >= 1, step

    async def test_each_state_is_reached(self, store: Store, clock: VirtualClock) -> None:
        seen: set[State] = set()
        rng, held = Random(1), list[Claim]()
        tasks = [await create(store, "0")]
        tasks.append(await create(store, "1", depends_on=[tasks[0].id]))

        for _ in range(300):
            await _step(store, clock, rng, rng.choice(tasks), held)
            seen |= {task.state for task in await _all(store)}
            if len(seen) == len(State):
                break

        assert seen == set(State)


async def _all(store: Store) -> Sequence[TaskStatus]:
    """Return all tasks as they are now, in the order in which they were made."""
    return await store.tasks(ALICE, kind=None, status=None, after=None, limit=100)


async def _step(store: Store, clock: VirtualClock, rng: Random, task: TaskStatus, held: list[Claim]) -> str:
    """Do something to *task*, or to what is held; return what."""
    step = rng.choice(("claim", "claim", "finish", "finish", "defer", "steer", "ask", "pause", "ensure", "wait"))
    soon = clock.now() + SECOND * rng.randint(0, 60)
    match step:
        case "claim":
            held += await claim(store, rng.randint(1, 3))
        case "finish" if held:
            done = held.pop(rng.randrange(len(held)))
            await finish(store, done, rng.choice(OUTCOMES), next_run_at=soon, last=rng.random() < 0.2)
        case "defer" if held:
            await store.defer([deferred(held.pop(rng.randrange(len(held))), soon)])
        case "steer":
            await store.steer(ALICE, task.id, retried(await refresh(store, task), soon))
        case "ask":
            await store.request_run(ALICE, task.id, at=soon, actor="")
        case "pause":
            await store.pause(ALICE, task.id, paused=rng.random() < 0.3, actor="")
        case "ensure":
            upstream = task.task.depends_on if rng.random() < 0.7 else ()
            digest = rng.choice(("hourly", "hourly", "daily"))
            await store.ensure(ALICE, spec(PING, task.key, at=soon, digest=digest, depends_on=upstream))
        case _:
            clock.jump(rng.choice((SECOND, MINUTE / 2, LEASE + SECOND)))
    return f"after {step} on {task.key}"
