"""The classifier, case by case, with the exceptions that real clients raise."""

import errno
import json
import socket
import sqlite3
import ssl
import urllib.error
from collections.abc import Callable
from datetime import timedelta
from email.message import Message
from typing import Any

import httpx
import pytest

from taskwarden.classify import classify
from taskwarden.classify.headers import retry_after
from taskwarden.core.failure import Confidence, Failure, Reason, TaskFailure
from taskwarden.errors import PayloadRejected, StoreUnavailable

REQUEST = httpx.Request("GET", "https://api.example.org/v1/stats")


def answered(status: int, headers: dict[str, str] | None = None, body: Any = None) -> httpx.HTTPStatusError:
    """Return what ``raise_for_status()`` raises."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = httpx.Response(status, headers=headers, content=content, request=REQUEST)
    with pytest.raises(httpx.HTTPStatusError) as raised:
        response.raise_for_status()
    return raised.value


def raised_by(action: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - any
        action()
    return raised.value


def foreign(module: str, name: str, *bases: type[BaseException]) -> BaseException:
    """Return an exception of a class of that qualified name, as a library that is not installed would raise it."""
    cls = type(name, bases or (Exception,), {"__module__": module})
    error: BaseException = cls("no answer")
    return error


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "config_error.payload"),
        (401, "auth_error.expired"),
        (402, "api_limit.billing"),
        (403, "auth_error.forbidden"),
        (404, "config_error.not_found"),
        (405, "config_error.payload"),
        (418, "unknown.response"),
        (408, "network_error.upstream"),
        (409, "network_error.conflict"),
        (410, "config_error.not_found"),
        (413, "config_error.payload"),
        (422, "config_error.payload"),
        (425, "network_error.upstream"),
        (429, "api_limit.rate"),
        (500, "network_error.upstream"),
        (502, "network_error.upstream"),
        (503, "network_error.upstream"),
        (529, "network_error.upstream"),
    ],
)
def test_an_http_status_says_what_failed(status: int, code: str) -> None:
    failure = classify(answered(status))

    assert (failure.code, failure.confidence, failure.definitive) == (code, Confidence.PROTOCOL, False)
    assert failure.fingerprint == f"{code}:httpx.HTTPStatusError:{status}"
    assert failure.message.startswith(("Client error", "Server error"))


DATE = {"Date": "Tue, 24 Nov 2026 12:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry-After": "0"}, timedelta(0)),
        ({"Retry-After": "120"}, timedelta(minutes=2)),
        ({"retry-after": "1.5"}, timedelta(seconds=1.5)),
        ({"Retry-After": "99999999"}, timedelta(days=7)),
        ({"Retry-After": "Tue, 24 Nov 2026 12:05:00 GMT", **DATE}, timedelta(minutes=5)),
        ({"Retry-After": "Tue, 24 Nov 2026 11:00:00 GMT", **DATE}, timedelta(0)),
        ({"Retry-After": "Tue, 24 Nov 2026 12:05:00 GMT"}, None),
        ({"Retry-After": "Tue, 99 Nov 2026 12:05:00 GMT", **DATE}, None),
        ({"Retry-After": "Tue, 24 Foo 2026 12:05:00 GMT", **DATE}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "9" * 5_000}, None),
    ],
)
def test_retry_after_is_taken_in_seconds_or_as_a_date_measured_from_the_providers_own(
    headers: dict[str, str], wait: timedelta | None
) -> None:
    assert classify(answered(429, headers)).retry_after == wait


def test_retry_after_is_honoured_for_an_outage_too() -> None:
    assert classify(answered(503, {"Retry-After": "30"})).retry_after == timedelta(seconds=30)


def test_retry_after_with_digits_of_another_script_is_no_number() -> None:
    assert retry_after("٣٠", None) is None


@pytest.mark.parametrize(
    ("status", "body", "code", "definitive"),
    [
        (400, {"error": "invalid_grant"}, "auth_error.revoked", True),
        (401, {"error": "invalid_grant", "error_description": "Token has been revoked."}, "auth_error.revoked", True),
        (401, {"error": "invalid_client"}, "auth_error.client", False),
        (400, {"error": "invalid_scope"}, "auth_error.scope", True),
        (400, {"error": "something else"}, "config_error.payload", False),
        (400, {"error": {"code": 400}}, "config_error.payload", False),
        (400, ["invalid_grant"], "config_error.payload", False),
        (400, b"invalid_grant", "config_error.payload", False),
        (400, b'{"error": "invalid_grant", "x": "' + b"x" * 70_000 + b'"}', "config_error.payload", False),
        (400, b"[" * 60_000, "config_error.payload", False),
        (403, {"error": "invalid_grant"}, "auth_error.revoked", True),
        (500, {"error": "unheard of"}, "network_error.upstream", False),
        (500, {"error": "invalid_grant"}, "auth_error.revoked", False),
    ],
)
def test_an_oauth_error_in_the_body_is_more_exact_than_the_status(
    status: int, body: Any, code: str, definitive: bool
) -> None:
    failure = classify(answered(status, body=body))

    assert (failure.code, failure.definitive) == (code, definitive)


def test_a_body_that_was_not_read_is_not_fetched() -> None:
    response = httpx.Response(400, stream=httpx.ByteStream(b'{"error": "invalid_grant"}'), request=REQUEST)

    failure = classify(httpx.HTTPStatusError("bad request", request=REQUEST, response=response))

    assert failure.code == "config_error.payload"
    assert not response.is_stream_consumed


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), "network_error.timeout"),
        (ConnectionRefusedError(), "network_error.refused"),
        (ConnectionResetError(), "network_error.reset"),
        (BrokenPipeError(), "network_error.reset"),
        (ConnectionError("lost"), "network_error.reset"),
        (socket.gaierror(-2, "Name or service not known"), "network_error.dns"),
        (ssl.SSLCertVerificationError("certificate has expired"), "network_error.tls"),
        (ssl.SSLEOFError("EOF occurred"), "network_error.reset"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network_error.unreachable"),
        (OSError(errno.ENOSPC, "No space left on device"), "unknown.internal_host"),
        (httpx.ConnectTimeout("slow"), "network_error.timeout"),
        (httpx.ReadTimeout("slow"), "network_error.timeout"),
        (httpx.PoolTimeout("busy"), "unknown.internal_pool"),
        (httpx.ConnectError("All connection attempts failed"), "network_error.refused"),
        (httpx.ReadError(""), "network_error.reset"),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), "network_error.reset"),
        (httpx.UnsupportedProtocol("Request URL is missing a protocol"), "config_error.url"),
        (raised_by(lambda: httpx.URL("https://exa mple:x")), "config_error.url"),
        (raised_by(lambda: json.loads("<html>")), "unknown.response"),
        (raised_by(lambda: dict[str, str]()["connection_id"]), "unknown.bug"),
        (raised_by(lambda: len(3)), "unknown.bug"),  # type: ignore[arg-type]  # that is the bug
        (raised_by(lambda: int("x")), "unknown.bug"),
        (raised_by(lambda: 1 // 0), "unknown.bug"),
        (AttributeError("no strip"), "unknown.bug"),
        (NotImplementedError(), "unknown.bug"),
        (SystemExit(429), "unknown.bug"),
        (RuntimeError("no idea"), "unknown"),
        (sqlite3.OperationalError("database is locked"), "unknown.internal_db"),
        (StoreUnavailable("postgresql", "refused"), "unknown.internal_store"),
        (foreign("requests.exceptions", "ConnectTimeout", ConnectionError), "network_error.timeout"),
        (foreign("aiohttp.client_exceptions", "ServerTimeoutError"), "network_error.timeout"),
        (foreign("sqlalchemy.exc", "TimeoutError"), "unknown.internal_pool"),
        (foreign("elsewhere", "TimeoutError"), "unknown"),
    ],
    ids=repr,
)
def test_the_type_of_the_exception_says_what_failed(error: BaseException, code: str) -> None:
    assert classify(error).code == code


def test_a_payload_that_does_not_fit_is_definitive() -> None:
    failure = classify(PayloadRejected("site.check", "$.url", 7, "expected str, got int"))

    assert (failure.code, failure.definitive) == ("config_error.payload", True)
    assert "$.url" in failure.message


def test_what_the_executor_says_itself_is_taken_as_it_is() -> None:
    said = TaskFailure("auth_error.revoked", "the user disconnected", definitive=True)

    assert classify(said) == said.failure


def test_what_the_executor_says_itself_wins_also_from_behind_a_wrapper() -> None:
    said = TaskFailure("api_limit.quota_daily", retry_after=timedelta(hours=3))
    wrapper = answered(500)
    wrapper.__cause__ = ExceptionGroup("both", [ValueError(), said])

    assert classify(wrapper) == said.failure


def test_a_task_failure_that_lost_its_failure_is_an_unknown_one() -> None:
    broken = TaskFailure("unknown")
    del broken.failure

    assert classify(broken).reason is Reason.UNKNOWN


def test_the_cause_behind_a_wrapper_that_says_nothing_decides() -> None:
    wrapper = RuntimeError("Timeout of 120.0s exceeded")
    wrapper.__cause__ = answered(429, {"Retry-After": "60"})

    failure = classify(wrapper)

    assert (failure.code, failure.retry_after) == ("api_limit.rate", timedelta(minutes=1))


@pytest.mark.parametrize(
    ("behind", "code"),
    [
        (socket.gaierror(-2, "unknown host"), "network_error.dns"),
        (ssl.SSLError("handshake"), "network_error.tls"),
        (ConnectionResetError(), "network_error.reset"),
        (RuntimeError("no more is known"), "network_error.refused"),
    ],
)
def test_what_is_behind_a_failed_connection_is_more_exact(behind: Exception, code: str) -> None:
    error = httpx.ConnectError("failed")
    error.__context__ = behind

    assert classify(error).code == code


def test_an_accident_while_a_failure_is_handled_does_not_hide_the_failure() -> None:
    accident = KeyError("retry")
    accident.__context__ = answered(503)

    assert classify(accident).code == "network_error.upstream"


def test_of_two_exact_ones_the_nearer_decides() -> None:
    refreshing = httpx.ConnectTimeout("while refreshing the token")
    refreshing.__context__ = answered(401)

    assert classify(refreshing).code == "network_error.timeout"


def test_what_was_hidden_with_from_none_stays_hidden() -> None:
    error = RuntimeError("given up")
    error.__context__ = TimeoutError()
    assert classify(error).code == "network_error.timeout"

    error.__suppress_context__ = True

    assert classify(error).code == "unknown"


def test_the_members_of_a_group_are_asked() -> None:
    group = ExceptionGroup("child tasks", [ValueError("x"), ExceptionGroup("more", [answered(403)])])

    assert classify(group).code == "auth_error.forbidden"


def test_a_status_is_found_on_the_exception_itself_too() -> None:
    headers = Message()
    headers["Retry-After"] = "7"

    failure = classify(urllib.error.HTTPError("https://example.org", 429, "Too Many", headers, None))

    assert (failure.code, failure.retry_after) == ("api_limit.rate", timedelta(seconds=7))


def test_a_plain_mapping_of_headers_is_read_in_small_letters_too() -> None:
    error = RuntimeError("sdk")
    error.status, error.headers = 503, {"retry-after": "9"}  # type: ignore[attr-defined]  # an SDK's own class would

    assert classify(error).retry_after == timedelta(seconds=9)


@pytest.mark.parametrize("status", [200, 399, 600, True, "429", None])
def test_what_is_no_error_status_tells_nothing(status: object) -> None:
    error = RuntimeError("sdk")
    error.status_code = status  # type: ignore[attr-defined]  # an SDK's own class would

    assert classify(error).code == "unknown"


def test_failures_of_one_cause_share_a_fingerprint_whatever_their_messages_say() -> None:
    ours, theirs = (classify(TimeoutError(f"task {number} timed out")) for number in (1, 2))

    assert ours.cause == theirs.cause == "network_error.timeout:builtins.TimeoutError"


def test_the_message_is_that_of_the_deciding_exception_or_its_name() -> None:
    wrapper = RuntimeError("it failed")
    wrapper.__cause__ = TimeoutError()

    assert classify(wrapper).message == "builtins.TimeoutError"
    assert classify(RuntimeError("it failed")) == Failure(
        "unknown", "it failed", fingerprint="unknown:builtins.RuntimeError"
    )
