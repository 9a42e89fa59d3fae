"""Rate-limit headers in the dialects of many providers, and what bodies and chains are read for."""

from concurrent.futures import CancelledError, Future
from datetime import timedelta
from typing import Any

import httpx
import pytest

from taskwarden.classify import classify, examine
from taskwarden.classify.chain import causes
from taskwarden.core.failure import Failure

DATE = {"Date": "Tue, 24 Nov 2026 12:00:00 GMT"}
NOON = 1795521600  # the same instant


def answered(status: int, body: Any = None, headers: dict[str, str] | None = None) -> Failure:
    request = httpx.Request("GET", "https://api.example.org")
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    response = httpx.Response(status, headers=headers, request=request, **content)
    return classify(httpx.HTTPStatusError("no", request=request, response=response))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "7", "retry-after-ms": "1500"}, 7),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOON + 90), **DATE}, 90),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str((NOON + 90) * 1000), **DATE}, 90),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOON + 90)}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "45"}, 45),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(NOON + 900), **DATE}, 900),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "12"}, 12),
        ({"ratelimit": "limit=100, remaining=0, reset=50"}, 50),
        ({"ratelimit": '"default";r=0;t=30'}, 30),
        ({"ratelimit": '"default";r=5;t=30'}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "6m0s"}, None),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-24T12:01:00Z",
            }
            | DATE,
            60,
        ),
        ({"x-ratelimit-reset": "33"}, 33),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 400}, None),
    ],
)
def test_a_limit_says_in_its_headers_how_long_it_lasts(headers: dict[str, str], seconds: float | None) -> None:
    failure = answered(429, headers=headers)

    assert failure.code == "api_limit.rate"
    assert failure.retry_after == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize("headers", [{"x-ratelimit-remaining": "0"}, {"retry-after": "60"}, {"ratelimit": "r=0;t=5"}])
def test_403_with_a_header_of_a_limit_is_a_limit(headers: dict[str, str]) -> None:
    assert answered(403, headers=headers).code == "api_limit.rate"
    assert answered(403, headers={"x-ratelimit-remaining": "7"}).code == "auth_error.forbidden"


def test_a_body_may_say_how_long_to_wait_and_a_header_goes_before_it() -> None:
    body = {"error": {"status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "36.5s"}]}}

    assert answered(429, body).retry_after == timedelta(seconds=36.5)
    assert answered(429, body, {"Retry-After": "3"}).retry_after == timedelta(seconds=3)


def test_slow_down_is_five_seconds_longer() -> None:
    assert answered(400, {"error": "slow_down"}).retry_after == timedelta(seconds=5)


def test_how_long_to_wait_is_taken_from_behind_a_wrapper_too() -> None:
    wrapper = RuntimeError("gave up: Too Many Requests")
    response = httpx.Response(429, headers={"Retry-After": "9"}, request=httpx.Request("GET", "https://x.example"))
    wrapper.__cause__ = httpx.HTTPStatusError("429", request=response.request, response=response)

    assert classify(wrapper).retry_after == timedelta(seconds=9)


@pytest.mark.parametrize(
    ("status", "body", "headers", "code"),
    [
        (401, None, {"www-authenticate": 'Bearer error="invalid_token"'}, "auth_error.expired"),
        (403, None, {"www-authenticate": 'Bearer realm="x", error="insufficient_scope"'}, "auth_error.scope"),
        (400, None, {"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/"}, "api_limit.rate"),
        (409, None, {"x-ms-error-code": "BlobNotFound"}, "config_error.not_found"),
        (403, {"type": "https://example.com/probs/out-of-credit", "title": "no credit"}, None, "api_limit.billing"),
        (429, {"type": "https://api.twitter.com/2/problems/usage-capped"}, None, "api_limit.quota"),
        (400, {"type": "about:blank", "status": 400}, None, "config_error.payload"),
        (400, {"error": {"type": "OAuthException", "code": 190, "error_subcode": 460}}, None, "auth_error.revoked"),
        (400, {"error": {"type": "OAuthException", "code": 4}}, None, "api_limit.rate"),
        (400, {"error": {"type": "OAuthException", "code": 99999}}, None, "config_error.payload"),
        (401, {"error": {"code": "InvalidAuthenticationToken"}}, None, "auth_error.expired"),
        (403, {"serviceErrorCode": 100, "code": "ACCESS_DENIED", "status": 403}, None, "auth_error.forbidden"),
        (429, {"fault": {"detail": {"errorcode": "policies.ratelimit.QuotaViolation"}}}, None, "api_limit.quota"),
        (404, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>", None, "config_error.not_found"),
        (400, {"errors": [{"extensions": {"code": "UNAUTHENTICATED"}}]}, None, "auth_error.expired"),
        (401, {"error": {"type": "invalid_request_error"}}, None, "auth_error.expired"),
        (403, {"message": "You have triggered an abuse detection mechanism."}, None, "api_limit.rate"),
        (503, {"message": "You have exceeded a secondary rate limit"}, None, "network_error.upstream"),
    ],
)
def test_codes_of_providers_are_found_wherever_they_stand(
    status: int, body: Any, headers: dict[str, str] | None, code: str
) -> None:
    assert answered(status, body, headers).code == code


def test_a_code_is_definitive_only_where_the_provider_named_a_revocation() -> None:
    assert answered(400, {"error": "invalid_grant"}).definitive
    assert not answered(401, {"error": "invalid_token"}).definitive


# --- chains ---


class Wrapper(Exception):
    """Holds what it wraps, as retrying libraries do."""


def test_exceptions_in_attributes_and_arguments_are_behind_their_holder() -> None:
    reason, argument, noted = TimeoutError(), ConnectionResetError(), KeyError()
    wrapper = Wrapper("gave up", argument)
    wrapper.reason, wrapper.errors = reason, {("127.0.0.1", 22): noted}  # type: ignore[attr-defined]  # as theirs do

    assert list(causes(wrapper)) == [wrapper, reason, noted, argument]


def test_the_last_attempt_of_a_retrying_library_is_behind_its_error() -> None:
    future: Future[None] = Future()
    future.set_exception(ConnectionRefusedError())
    wrapper = Wrapper(future)
    wrapper.last_attempt = future  # type: ignore[attr-defined]  # tenacity's

    assert classify(wrapper).code == "network_error.refused"


def test_a_cancellation_beside_a_failure_is_not_what_failed() -> None:
    assert classify(BaseExceptionGroup("two", [CancelledError(), TimeoutError()])).code == "network_error.timeout"
    assert examine(CancelledError()).neutral
