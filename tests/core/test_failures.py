"""Failures: codes are checked, what providers ask is clamped, and executors say exactly what failed."""

import pickle
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.failure import LONGEST_RETRY_AFTER, Confidence, Failure, Reason, TaskFailure
from taskwarden.errors import InvalidValue


@pytest.mark.parametrize("reason", Reason)
def test_a_code_is_a_reason_with_or_without_a_detail(reason: Reason) -> None:
    assert Failure(reason.value).reason is reason
    assert Failure(f"{reason}.detail").reason is reason


@pytest.mark.parametrize("code", ["", "timeout", "network", "network_errors.timeout", ".timeout", None, 7])
def test_a_code_of_no_public_reason_is_refused(code: str) -> None:
    with pytest.raises(InvalidValue, match=r"code must begin with one of api_limit, .*'network_error.timeout'"):
        Failure(code)


@given(st.timedeltas())
def test_a_retry_after_is_clamped_to_nothing_and_seven_days(asked: timedelta) -> None:
    clamped = Failure("api_limit.rate", retry_after=asked).retry_after

    assert clamped == sorted([timedelta(0), asked, LONGEST_RETRY_AFTER])[1]


def test_a_long_message_is_cut() -> None:
    assert len(Failure("unknown", "x" * 5_000).message) == 2_000


def test_the_cause_is_the_fingerprint_or_else_the_code() -> None:
    assert Failure("auth_error.revoked").cause == "auth_error.revoked"
    assert Failure("auth_error.revoked", fingerprint="f1").cause == "f1"


def test_what_an_executor_raises_is_an_explicit_failure_that_reads_well() -> None:
    raised = TaskFailure("auth_error.revoked", "the user disconnected", definitive=True)

    assert raised.failure.confidence is Confidence.EXPLICIT
    assert raised.failure.definitive
    assert str(raised) == "auth_error.revoked: the user disconnected"
    assert str(TaskFailure("unknown")) == "unknown"
    assert str(pickle.loads(pickle.dumps(raised))) == str(raised)  # noqa: S301 - our own bytes
