"""Step 4: what a run ended with, from whatever its executor returned or raised."""

from __future__ import annotations

import json
import logging
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias, assert_never

import anyio
import anyio.lowlevel

from taskwarden.classify import NEUTRAL, classify
from taskwarden.core.decision import Level, OpenIncident
from taskwarden.core.failure import Confidence, Failure, TaskFailure
from taskwarden.core.outcome import Failed, Interrupted, Skipped, Snoozed, Succeeded
from taskwarden.core.payload import to_json_text
from taskwarden.errors import InvalidValue, shown
from taskwarden.runner._execution import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskwarden.core.decision import Effect
    from taskwarden.core.outcome import Outcome
    from taskwarden.runner._execution import Execution
    from taskwarden.runner._kind import KindRules

__all__ = ["Ended", "failed", "interrupted", "is_hosts", "returned"]

Ended: TypeAlias = "tuple[Outcome, str | None, tuple[Effect, ...]]"
"""Outcome, result as text to keep, and what there is to be said of it."""
_LOG: Final = logging.getLogger("taskwarden.runner")
_LAST: Final = "open context.transaction() after all else, or the store with a longer transaction_limit"
_SUCCEEDED: Final[Ended] = (Succeeded(), None, ())


def returned(rules: KindRules, value: Any) -> Ended:
    """Return how a run ended whose executor returned *value*: None means success, rubbish is a failure."""
    if value is None:
        return _SUCCEEDED
    if type(value) is Skipped or type(value) is Snoozed:
        return value, None, ()
    try:
        if type(value) is Succeeded:
            return value, *_kept(value, rules.executor.kind)
        said = f"execute() returned {shown(value)}; return Succeeded(result), Skipped or Snoozed"
        problem: BaseException = TypeError(said)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a result is the host's code, too
        problem = error
    return failed(rules, problem), None, ()


def _kept(outcome: Succeeded, kind: str) -> tuple[str | None, tuple[Effect, ...]]:
    """Return the result as text to keep; one that is no JSON or too large is dropped, and an incident says so."""
    if outcome.result is None:
        return None, ()
    try:
        return to_json_text(outcome.result, "result"), ()
    except InvalidValue as error:
        title = f"A result of kind {kind} was not kept: {error}"
        _LOG.warning("%s", title)
        incident = OpenIncident(f"result:{kind}", "config_error.result", title[:500], Level.WARNING)
        return json.dumps({"not_kept": error.rule[:200]}), (incident,)


async def is_hosts(execution: Execution, error: BaseException, sound: Callable[[], bool]) -> bool:
    """
    Tell whether *error* is not the executor's: the host cancels the runner, or the keyboard interrupts.

    In a worker that is not *sound*, a cancellation is the executor's: nobody can tell whose it is.
    """
    if isinstance(error, KeyboardInterrupt):
        return True
    cancelled = anyio.get_cancelled_exc_class()
    if execution.cause is None and isinstance(error, cancelled):
        # The host's loop may be cancelling every child task by itself, and ours before the one that holds our scope.
        try:
            for _ in range(2):
                await anyio.lowlevel.cancel_shielded_checkpoint()
        except cancelled:  # it insists
            return execution.cause is None
    return execution.cause is None and sound() and anyio.current_effective_deadline() == -inf


def interrupted(execution: Execution) -> Outcome | None:
    """Return the outcome of an execution that was cancelled, by its cause; None where it was not."""
    match execution.cause:
        case None:
            return None
        case Cause.TIMEOUT if execution.limited:
            message = f"its transaction was rolled back, as it took longer than it may; {_LAST}"
            return Failed(Failure("unknown.transaction_limit", message, confidence=Confidence.EXPLICIT))
        case Cause.TIMEOUT:
            message = f"cancelled after its timeout of {execution.rules.executor.timeout}"
            return Failed(Failure("network_error.timeout", message, confidence=Confidence.EXPLICIT))
        case Cause.LEASE | Cause.LOST:
            return Interrupted("the lease could not be renewed in time")
        case Cause.STOP:
            return Interrupted("the runner stopped")
        case _:
            assert_never(execution.cause)


def failed(rules: KindRules, error: BaseException) -> Outcome:
    """
    Return what *error*, raised by the executor, means: its own kind knows best, else the classifier.

    What the classifier knows to be no failure, as work that others have cancelled, is skipped.
    """
    try:
        if isinstance(error, Exception) and not isinstance(error, TaskFailure):
            named: object = rules.executor.classify(error)
            if isinstance(named, Failure):
                return Failed(named)
    except KeyboardInterrupt:
        raise
    except BaseException as broken:  # the host's code harms its own run only
        _LOG.exception("kind %s: its classify() raised; the classifier decided", rules.executor.kind)
        error.add_note(f"classify() raised {broken!r}")
    failure = classify(error)
    neutral = failure.code in NEUTRAL and isinstance(error, Exception)
    return Skipped(failure.message) if neutral else Failed(failure)
