"""Writes the history: stands right before the store, below every fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskwarden.core.store import EnsuredAs
from taskwarden.testing.simulation.history import (
    Capped,
    Claimed,
    Completed,
    Deferred,
    Deleted,
    Entry,
    Executed,
    Jumped,
    Renewed,
    Steered,
)
from taskwarden.testing.simulation.interception import Call, Interceptor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from taskwarden.core.claim import Claim
    from taskwarden.core.store import Store
    from taskwarden.ids import RunnerId
    from taskwarden.testing.clock import VirtualClock

__all__ = ["Recorder"]


class Recorder(Interceptor):
    """
    Records what takes effect in *store*, in the order in which it does.

    That order is the order in which calls return, so the store must answer without waiting in between, as the memory
    store does. A store that waits between effect and answer would be accused of what it did not do.
    """

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        super().__init__(store)
        self.clock = clock
        self.history: list[Entry] = []

    async def around(self, call: Call) -> Any:
        answer = await call.perform()
        self.history.extend(self._entries(call, answer))
        return answer

    def executed(self, runner: RunnerId, claim: Claim) -> None:
        """Record that *runner* began to execute *claim*."""
        at = self.clock.now()
        self.history.append(Executed(at=at, runner=runner, task_id=claim.task.id, token=claim.token))

    def jump(self, by: timedelta) -> None:
        """Let the store's clock jump, and record it."""
        before = self.clock.now()
        self.clock.jump(by)
        self.history.append(Jumped(at=self.clock.now(), by=self.clock.now() - before))

    def _entries(self, call: Call, answer: Any) -> Iterator[Entry]:
        at = self.clock.now()
        match call.name:
            case "claim" if answer.claims:
                yield Claimed(at=at, runner=call.kwargs["runner"], claims=answer.claims)
            case "renew":
                yield Renewed(
                    at=at,
                    runner=call.kwargs["runner"],
                    holds=dict(call.kwargs["holds"]),
                    lease_until=answer.lease_until,
                    lost=answer.lost,
                )
            case "complete":
                yield Completed(at=at, completions=tuple(call.argument(0, "completions")), receipts=tuple(answer))
            case "defer":
                yield Deferred(at=at, deferrals=tuple(call.argument(0, "deferrals")), receipts=tuple(answer))
            case "steer" if answer:
                yield Steered(at=at, task_id=call.argument(1, "task_id"))
            case "ensure" if answer.how is not EnsuredAs.UNCHANGED:
                yield Steered(at=at, task_id=answer.status.id)
            case "delete":
                yield Deleted(at=at, task_id=call.argument(1, "task_id"))
            case "limit_kind":
                kind, most = call.argument(0, "kind"), call.argument(1, "max_running")
                yield Capped(at=at, kind=kind, most=most)
            case "set_tenant" if call.kwargs.get("max_running", -1) != -1:
                yield Capped(at=at, tenant=call.argument(0, "tenant"), most=call.kwargs["max_running"])
            case _:
                pass
