"""How the toy store gives out claims, and what it does with what comes back."""

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from fractions import Fraction

import attrs

from taskwarden.core.change import ChangeName
from taskwarden.core.claim import Claim, Completion, Deferral, Receipt, trigger_of
from taskwarden.core.decision import Level, OpenIncident
from taskwarden.core.health import Phase
from taskwarden.core.lifecycle import Signal, State
from taskwarden.core.outcome import Failed, Interrupted, Outcome, Succeeded
from taskwarden.core.record import Ending, Run
from taskwarden.ids import Kind, RunId, RunnerId
from tests.stores.toy_ledger import Lease, Ledger, Row


def next_claimable(ledger: Ledger, kinds: Collection[Kind], now: datetime) -> Row | None:
    """Return the task to be claimed next: what has expired, else the most urgent of the tenant whose turn it is."""
    rows = ledger.open_rows(kinds)
    expired = [row for row in rows if row.is_expired(now)]
    if expired:
        return expired[0]
    due = [row for row in rows if row.is_due(now) and not _is_capped(ledger, row)]
    if not due:
        return None
    tenants = [tenant for tenant in ledger.tenants if any(row.task.tenant == tenant.id for row in due)]
    first = min(tenants, key=lambda tenant: max(tenant.turn, ledger.last_turn))
    return min((row for row in due if row.task.tenant == first.id), key=Row.urgency)


def _is_capped(ledger: Ledger, row: Row) -> bool:
    running = [each.task for each in ledger.rows if each.lease is not None]
    of_tenant = sum(task.tenant == row.task.tenant for task in running)
    of_kind = sum(task.kind == row.task.kind for task in running)
    tenant_cap = ledger.tenant(row.task.tenant).max_running
    kind_cap = ledger.kind_caps.get(row.task.kind)
    return (tenant_cap is not None and of_tenant >= tenant_cap) or (kind_cap is not None and of_kind >= kind_cap)


def take(ledger: Ledger, row: Row, runner: RunnerId, now: datetime, lease: timedelta) -> Claim:
    """Claim *row*: because its lease has expired, because it was asked for, or because its slot is due."""
    before = row.lease
    if before is not None:
        manual, rest = before.manual, before.rest
    else:
        manual, rest = (row.manual_at if row.is_manual_due(now) else None), row.state
        _take_turn(ledger, row)
        if manual is not None:
            row.manual_at = None
    if manual is None:
        row.deferred_until, row.deferred_why = None, ""
    slot_at, due_at = (row.slot_at, row.next_run_at) if manual is None else (manual, manual)
    assert slot_at is not None
    assert due_at is not None
    slot_at = min(slot_at, due_at)
    row.lease = Lease(runner, now + lease, now, now, manual, rest, row.slot_at)
    row.token += 1
    row.move(Signal.CLAIM)
    return Claim(
        task=row.task,
        token=row.token,
        health=row.health,
        state=ledger.interval(row),
        trigger=trigger_of(row.health, row.attempt, manual=manual is not None),
        slot_at=slot_at,
        due_at=due_at,
        attempt=row.attempt if manual is None else 1,
        claimed_at=now,
        lease_until=now + lease,
        lost_by=None if before is None else before.runner,
    )


def _take_turn(ledger: Ledger, row: Row) -> None:
    tenant = ledger.tenant(row.task.tenant)
    # Who was idle does not make up for it: it joins at the turn that is now.
    ledger.last_turn = max(tenant.turn, ledger.last_turn)
    tenant.turn = ledger.last_turn + Fraction(1, tenant.weight)


def next_due(ledger: Ledger, kinds: Collection[Kind], now: datetime) -> datetime | None:
    """Return when to look again. What is due and waits for a cap is told by a hint, not by the clock."""
    if next_claimable(ledger, kinds, now) is not None:
        return now
    instants = [at for row in ledger.open_rows(kinds) for at in row.wakes_at()]
    return min((at for at in instants if at > now), default=None)


def mend_clock_faults(ledger: Ledger, now: datetime, lease: timedelta) -> None:
    """Make due now what was decided in a future that was never real, and end leases that reach into it."""
    mended = []
    for row in ledger.rows:
        if row.last_success is not None and row.last_success.started_at - now > lease:
            row.last_success = attrs.evolve(row.last_success, started_at=now)
        if row.lease is not None:
            if row.lease.renewed - now > lease:
                row.lease.renewed, row.lease.until = now, now + lease
        elif row.next_run_at is not None and row.decided_at - now > lease:
            row.next_run_at = row.slot_at = row.decided_at = now
            row.attempt = 1
            mended.append(row.task)
    fault = OpenIncident("clock_fault", "unknown.internal_clock", "The store's clock went back", Level.ERROR)
    for tenant in ledger.tenants:
        tasks = [task for task in mended if task.tenant == tenant.id]
        if tasks:
            ledger.apply(fault, tenant.id, *tasks)


def complete(ledger: Ledger, done: Completion) -> Receipt:
    """Write what became of one claim."""
    row = ledger.held(done.claim.task.id, done.claim.token)
    if row is None or row.lease is None:
        return Receipt.REFUSED
    overruled = row.health.epoch > done.claim.health.epoch
    run = _run_of(ledger, row, done, counted=not overruled)
    ledger.runs.append(run)
    ledger.tallies[run.tenant, run.kind, run.ending, run.code] += 1
    row.last_run = run
    if run.ending is Ending.SUCCEEDED:
        row.last_success = run
    if not overruled:
        row.health = done.health
    if row.lease.manual is not None:
        _return_to_rest(row, done, overruled=overruled)
    else:
        _advance(ledger, row, done, overruled=overruled)
    row.decided_at = max(ledger.now(), done.finished_at)
    ledger.record(ChangeName.RUN_FINISHED, row.task, run=run)
    for effect in () if overruled else done.effects:
        ledger.apply(effect, row.task.tenant, row.task)
    if run.ending is Ending.SUCCEEDED:
        for dependant in ledger.rows:
            if row.task.id in dependant.task.depends_on:
                ledger.release(dependant)
    return Receipt.OVERRULED if overruled else Receipt.RECORDED


def _return_to_rest(row: Row, done: Completion, *, overruled: bool) -> None:
    assert row.lease is not None
    if isinstance(done.outcome, Interrupted) and row.manual_at is None:
        row.manual_at = row.lease.manual
    if not overruled and done.next_run_at is not None and row.lease.rest is not State.DONE:
        row.next_run_at, row.reason = done.next_run_at, done.reason
    _end_lease(row, row.lease.rest)


def _advance(ledger: Ledger, row: Row, done: Completion, *, overruled: bool) -> None:
    is_new = done.settles
    row.done_by_success = isinstance(done.outcome, Succeeded)
    if row.lease is not None and row.slot_at != row.lease.slot_at:
        # Another slot was set meanwhile. It outlasts this run, though the policy may hold it back.
        if not overruled and done.next_run_at is not None and done.health.phase is not Phase.HEALTHY:
            row.next_run_at, row.reason = done.next_run_at, done.reason
    elif not overruled:
        row.slot_at, row.next_run_at, row.attempt = done.slot_at, done.next_run_at, done.attempt
        row.memory, row.reason, row.urgent = done.memory, done.reason, done.urgent
    else:
        if done.settles and row.next_run_at is not None:
            row.next_run_at = max(row.next_run_at, done.claim.slot_at + timedelta(microseconds=1))
        if done.slot_at is None:
            row.slot_at, row.attempt, is_new = row.next_run_at, 1, False
        elif done.settles:
            row.slot_at, row.attempt = done.slot_at, done.attempt
    if row.slot_at is None:
        _end_lease(row, State.DONE)
    else:
        _end_lease(row, State.BLOCKED if is_new and ledger.unreleased(row) else State.SCHEDULED)


def _end_lease(row: Row, to: State) -> None:
    row.lease = None
    row.move({State.DONE: Signal.FINISH, State.BLOCKED: Signal.BLOCK}.get(to, Signal.RESCHEDULE))


def defer(ledger: Ledger, deferral: Deferral) -> Receipt:
    """Take back one claim unrun."""
    row = ledger.held(deferral.claim.task.id, deferral.claim.token)
    if row is None or row.lease is None:
        return Receipt.REFUSED
    manual, rest, is_moved = row.lease.manual, row.lease.rest, row.slot_at != row.lease.slot_at
    overruled = row.health.epoch > deferral.claim.health.epoch
    _end_lease(row, State.SCHEDULED if manual is None else rest)
    if manual is not None:
        row.manual_at = row.manual_at or deferral.until
    elif not overruled and not is_moved:
        row.next_run_at = row.deferred_until = deferral.until
        row.deferred_why = deferral.why
    row.decided_at = ledger.now()
    if not overruled:
        ledger.record(ChangeName.TASK_DEFERRED, row.task, detail=deferral.why)
    return Receipt.OVERRULED if overruled else Receipt.RECORDED


def _run_of(ledger: Ledger, row: Row, done: Completion, *, counted: bool) -> Run:
    assert row.lease is not None
    claim = done.claim
    code, message = _said(done.outcome)
    return Run(
        id=RunId(f"run-{len(ledger.runs):08}"),
        task_id=row.task.id,
        tenant=row.task.tenant,
        kind=row.task.kind,
        key=row.task.key,
        token=claim.token,
        attempt=claim.attempt,
        trigger=claim.trigger,
        slot_at=claim.slot_at,
        due_at=claim.due_at,
        claimed_at=claim.claimed_at,
        started_at=done.started_at,
        finished_at=done.finished_at,
        ending=Ending(type(done.outcome).__name__.lower()),
        settled=done.settles,
        coalesced=done.coalesced,
        code=code,
        message=message,
        result=None if done.result is None else json.loads(done.result),
        phase=done.health.phase if counted else row.health.phase,
        next_run_at=done.next_run_at,
        why=done.why,
        runner=row.lease.runner,
        counted=counted,
    )


def _said(outcome: Outcome) -> tuple[str, str]:
    if isinstance(outcome, Failed):
        return outcome.failure.code, outcome.failure.message
    return "", "" if isinstance(outcome, Succeeded) else outcome.reason
