"""Stores that break one promise each, for the test that the conformance suite can fail."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs

from taskwarden.core.change import Changes
from taskwarden.core.claim import Claims, Completion, Receipt
from taskwarden.core.lifecycle import State
from taskwarden.ids import RunnerId
from tests.stores import toy_claims
from tests.stores.toy_ledger import Tenant
from tests.stores.toy_store import ToyStore

NEVER = timedelta(days=10_000)


def row_of(store: ToyStore, done: Completion) -> Any:
    return next((row for row in store.ledger.rows if row.task.id == done.claim.task.id), None)


class IgnoresTokens(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        current = [attrs.evolve(it, claim=attrs.evolve(it.claim, token=row_of(self, it).token)) for it in completions]
        return await super().complete(current)


class IgnoresEpochs(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        current = []
        for done in completions:
            health = attrs.evolve(done.claim.health, epoch=row_of(self, done).health.epoch)
            current.append(attrs.evolve(done, claim=attrs.evolve(done.claim, health=health)))
        return await super().complete(current)


class StopsAtTheFirstRefusal(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        receipts: list[Receipt] = []
        for done in completions:
            receipts += await super().complete([done])
            if receipts[-1] is Receipt.REFUSED:
                break
        return [*receipts, *[Receipt.REFUSED] * (len(completions) - len(receipts))]


class CompletesTwice(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        for done in completions:
            row = row_of(self, done)
            if row.lease is None and row.token == done.claim.token:
                toy_claims.take(self.ledger, row, RunnerId("nobody"), done.claim.claimed_at, NEVER)
                row.token -= 1
        return await super().complete(completions)


class ForgetsTheFeed(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        before = list(self.ledger.changes)
        receipts = await super().complete(completions)
        self.ledger.changes[:] = before
        return receipts


class CountsWhatItRefuses(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        receipts = await super().complete(completions)
        for done, receipt in zip(completions, receipts, strict=True):
            if receipt is Receipt.REFUSED:
                task = done.claim.task
                self.ledger.tallies[task.tenant, task.kind, self.ledger.runs[-1].ending, ""] += 1
        return receipts


class RefusesLateCompletions(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        for done in completions:
            row = row_of(self, done)
            if row.is_expired(self.ledger.now()):
                row.token += 1
        return await super().complete(completions)


class ConsumesSlotsByHand(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        for done in completions:
            row = row_of(self, done)
            row.slot_at = done.slot_at
        return await super().complete(completions)


class ForgetsInterruptedRequests(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        receipts = await super().complete(completions)
        for done in completions:
            row_of(self, done).manual_at = None
        return receipts


class ReleasesNobody(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        states = {row.task.id: row.state for row in self.ledger.rows if row.state is State.BLOCKED}
        receipts = await super().complete(completions)
        for row in self.ledger.rows:
            row.state = states.get(row.task.id, row.state)
        return receipts


class ReleasesOnAnything(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        receipts = await super().complete(completions)
        for row in self.ledger.rows:
            row.state = State.SCHEDULED if row.state is State.BLOCKED else row.state
        return receipts


class AppliesEffectsOfTheOverruled(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        receipts = await super().complete(completions)
        for done, receipt in zip(completions, receipts, strict=True):
            for effect in done.effects if receipt is Receipt.OVERRULED else ():
                self.ledger.apply(effect, done.claim.task.tenant, done.claim.task)
        return receipts


class NeverDone(ToyStore):
    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        again = [
            attrs.evolve(it, slot_at=it.slot_at or it.finished_at, next_run_at=it.next_run_at or it.finished_at)
            for it in completions
        ]
        return await super().complete(again)


class ClaimsTwice(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        claims = await super().claim(**how)
        for row in self.ledger.rows:
            if row.lease is not None:
                row.lease, row.state = None, State.SCHEDULED
        return claims


class ReusesTokens(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        claims = await super().claim(**how)
        for row in self.ledger.rows:
            row.token = min(row.token, 1)
        return attrs.evolve(claims, claims=tuple(attrs.evolve(claim, token=1) for claim in claims.claims))


class MostUrgentLast(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        claims = await super().claim(**how)
        return attrs.evolve(claims, claims=claims.claims[::-1])


class NeverAges(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        claims = await super().claim(**how)
        return attrs.evolve(claims, claims=tuple(sorted(claims.claims, key=lambda it: it.task.priority)))


class KnowsNoTurns(ToyStore):
    async def claim(self, *, limit: int, **how: Any) -> Claims:
        taken = Claims((), self.ledger.now(), None)
        while len(taken.claims) < limit:
            for tenant in self.ledger.tenants:
                tenant.turn = self.ledger.last_turn = tenant.turn * 0
            one = await super().claim(limit=1, **how)
            taken = attrs.evolve(one, claims=taken.claims + one.claims)
            if not one.claims:
                break
        return taken


class WeighsAllTheSame(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        for tenant in self.ledger.tenants:
            tenant.weight = 1
        return await super().claim(**how)


class IgnoresTenantCaps(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        for tenant in self.ledger.tenants:
            tenant.max_running = None
        return await super().claim(**how)


class IgnoresKindCaps(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        self.ledger.kind_caps.clear()
        return await super().claim(**how)


class WaitsBehindCaps(ToyStore):
    """Stops at the first task that is over a cap."""

    async def claim(self, **how: Any) -> Claims:
        caps = [(tenant, tenant.max_running) for tenant in self.ledger.tenants]
        if any(cap is not None and self._running(tenant) >= cap for tenant, cap in caps):
            how["kinds"] = ()
        return await super().claim(**how)

    def _running(self, tenant: Tenant) -> int:
        return sum(row.lease is not None and row.task.tenant == tenant.id for row in self.ledger.rows)


class ClaimsUnknownKinds(ToyStore):
    async def claim(self, *, kinds: Any, **how: Any) -> Claims:
        return await super().claim(kinds={row.task.kind for row in self.ledger.rows}, **how)


class ClaimsPausedTasks(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        for row in self.ledger.rows:
            row.paused = False
        return await super().claim(**how)


class TakesOverLiveLeases(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        for row in self.ledger.rows:
            if row.lease is not None:
                row.lease.until = self.ledger.now()
        return await super().claim(**how)


class NeverTakesOver(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        for row in self.ledger.rows:
            if row.lease is not None:
                row.lease.until = self.ledger.now() + NEVER
        return await super().claim(**how)


class MendsNoClock(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        for row in self.ledger.rows:
            row.decided_at = self.ledger.now()
        return await super().claim(**how)


class Spins(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        return attrs.evolve(await super().claim(**how), next_due=self.ledger.now())


class Oversleeps(ToyStore):
    async def claim(self, **how: Any) -> Claims:
        return attrs.evolve(await super().claim(**how), next_due=None)


class AcceptsAnyLimit(ToyStore):
    async def claim(self, *, limit: int, **how: Any) -> Claims:
        return await super().claim(limit=max(limit, 1), **how)


class ProlongsNothing(ToyStore):
    async def renew(self, **how: Any) -> Any:
        before = [(row.lease, row.lease.until) for row in self.ledger.rows if row.lease is not None]
        renewal = await super().renew(**how)
        for lease, until in before:
            lease.until = until
        return renewal


class LosesNothing(ToyStore):
    async def renew(self, **how: Any) -> Any:
        return attrs.evolve(await super().renew(**how), lost=frozenset())


class CountsDeferrals(ToyStore):
    async def defer(self, deferrals: Any) -> Any:
        receipts = await super().defer(deferrals)
        for deferral in deferrals:
            row_of(self, deferral).attempt += 1
        return receipts


class ShowsOtherTenantsTasks(ToyStore):
    async def get(self, tenant: Any, task_id: Any) -> Any:
        owner = next((row.task.tenant for row in self.ledger.rows if row.task.id == task_id), tenant)
        return await super().get(owner, task_id)


class ShowsOtherTenantsRuns(ToyStore):
    async def runs(self, tenant: Any, **how: Any) -> Any:
        return self.ledger.runs[: how["limit"]]


class TellsNotWhoRuns(ToyStore):
    async def get(self, tenant: Any, task_id: Any) -> Any:
        return attrs.evolve(await super().get(tenant, task_id), runner=None)


class MovesAsItLikes(ToyStore):
    async def pause(self, tenant: Any, task_id: Any, **how: Any) -> bool:
        row = self.ledger.row(tenant, task_id)
        row.state = State.DONE if row.state is State.SCHEDULED else row.state
        return await super().pause(tenant, task_id, **how)


class ReanchorsAtEachStart(ToyStore):
    async def ensure(self, tenant: Any, spec: Any, *, connection: Any = None) -> Any:
        return await super().ensure(tenant, attrs.evolve(spec, schedule_digest=f"{spec.first.at}"))


class ChangesWhatWasNotNamed(ToyStore):
    async def ensure(self, tenant: Any, spec: Any, *, connection: Any = None) -> Any:
        return await super().ensure(tenant, attrs.evolve(spec, named=spec.named | {"payload"}))


class MakesTwins(ToyStore):
    async def ensure(self, tenant: Any, spec: Any, *, connection: Any = None) -> Any:
        known = self.ledger.named(tenant, spec.kind, spec.key)
        if known is not None:
            self.ledger.rows.remove(known)
        return await super().ensure(tenant, spec)


class PausesByMovingTheTime(ToyStore):
    async def pause(self, tenant: Any, task_id: Any, **how: Any) -> bool:
        self.ledger.row(tenant, task_id).next_run_at = self.ledger.now() + NEVER
        return await super().pause(tenant, task_id, **how)


class SteersOnAnyEpoch(ToyStore):
    async def steer(self, tenant: Any, task_id: Any, steer: Any) -> bool:
        epoch = self.ledger.row(tenant, task_id).health.epoch
        return await super().steer(tenant, task_id, attrs.evolve(steer, epoch=epoch))


class DeletesWhatIsDependedOn(ToyStore):
    async def delete(self, tenant: Any, task_id: Any, *, detach: bool, actor: str) -> None:
        await super().delete(tenant, task_id, detach=True, actor=actor)


class OpensEachIncidentAnew(ToyStore):
    async def open_incident(self, tenant: Any, incident: Any, task_id: Any = None) -> None:
        self.ledger.incidents[:] = [attrs.evolve(it, resolved_at=it.opened_at) for it in self.ledger.incidents]
        await super().open_incident(tenant, incident, task_id)


class ShowsOtherTenantsChanges(ToyStore):
    async def changes(self, after: int, *, limit: int, tenant: Any = None) -> Changes:
        return await super().changes(after, limit=limit)


class SkipsChanges(ToyStore):
    async def changes(self, after: int, *, limit: int, tenant: Any = None) -> Changes:
        page = await super().changes(after, limit=limit, tenant=tenant)
        return attrs.evolve(page, cursor=await self.cursor())


class SaysNothing(ToyStore):
    async def listen(self, hint: Any) -> None:
        await super().listen(lambda _: None)


class OutlivesItsEnd(ToyStore):
    async def close(self) -> None:
        """Go on."""
