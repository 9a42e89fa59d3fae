"""Messages that are easily misunderstood: each has been, by a system that looked for words in the order of a list."""

import json
from typing import Any

import httpx
import pytest

from taskwarden.classify import classify, examine
from taskwarden.core.failure import Confidence

_QUOTA = "Quota exceeded for quota group 'default' and limit 'Queries per 100 seconds'"
_HTTP_ERROR = f'<HttpError 403 when requesting https://www.googleapis.com/x?alt=json returned "{_QUOTA}". '
MESSAGES = [
    ("Deep competitor analysis timed out after 3600s for user user_33GzAbC", "network_error.timeout"),
    ("Deep competitor analysis timed out after 3600s for user user_4291", "network_error.timeout"),
    ("GSC credentials not found or could not be loaded", "auth_error.missing"),
    ("No valid Bing tokens found", "auth_error.missing"),
    ("No Wix tokens found for user", "auth_error.missing"),
    ("Failed to refresh Bing token", "auth_error.refresh"),
    ("Zernio API key is invalid or expired", "auth_error.invalid"),
    ("invalid_grant: Bad Request", "auth_error.revoked"),
    ("invalid_client: The OAuth client was not found.", "auth_error.client"),
    ("Missing bearer token", "auth_error.missing"),
    ("403 Forbidden: reason=userRateLimitExceeded", "api_limit.rate"),
    (_HTTP_ERROR + "Details: \"[{'reason': 'rateLimitExceeded'}]\">", "api_limit.rate"),
    ("RESOURCE_EXHAUSTED: Quota exceeded for requests per day", "api_limit.quota_daily"),
    ("Too Many Requests", "api_limit.rate"),
    ("ThrottlingException: Rate exceeded", "api_limit.rate"),
    ("You exceeded your current quota, please check your plan and billing", "api_limit.billing"),
    ("429: You exceeded your current quota, please check your plan and billing details.", "api_limit.billing"),
    ("502 Bad Gateway", "network_error.upstream"),
    ("503 Service Unavailable", "network_error.upstream"),
    ("[Errno -2] Name or service not known", "network_error.dns"),
    ("Server disconnected without sending a response.", "network_error.reset"),
    ("[Errno 104] reset by peer", "network_error.reset"),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired", "network_error.tls"),
    ("HTTP 404 for https://shop.example/products/42917", "config_error.not_found"),
    ("Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON: invalid response", "unknown.response"),
    ("This model's maximum context length is 8192 tokens; request invalid", "config_error.payload"),
    ("SyntaxError: invalid token in crawl rule", "config_error.payload"),
    ("Row 401 of sitemap.xml: missing <loc>", "config_error.payload"),
    ("page is forbidden by robots.txt", "config_error.policy"),
    ("KeyError: 'connection_id'", "unknown.bug"),
    ("Social network 'mastodon' not supported", "config_error.unsupported"),
    ("timeout must be a positive number", "config_error.payload"),
    ("QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00", "unknown.internal_pool"),
    ("database is locked", "unknown.internal_db"),
    ("Character limit reached: title must be under 60 chars", "config_error.payload"),
    ("{'rows': 5, 'limit': 100, 'reached': True}", "unknown"),
    ("Cancelled", "unknown.cancelled"),
]


@pytest.mark.parametrize(("message", "code"), MESSAGES)
def test_a_message_alone_says_what_failed_and_is_never_definitive(message: str, code: str) -> None:
    failure = classify(RuntimeError(message))

    assert failure.code == code
    assert failure.confidence <= Confidence.TEXT
    assert not failure.definitive


def test_an_outage_is_one_whatever_its_body_says_of_usage() -> None:
    body: Any = {"usage_info": {"usage_percentage": 100, "limit": 50, "reached": True}}
    request = httpx.Request("GET", "https://api.example.org")
    response = httpx.Response(503, content=json.dumps(body).encode(), request=request)

    failure = classify(httpx.HTTPStatusError("503 Service Unavailable", request=request, response=response))

    assert failure.code == "network_error.upstream"


@pytest.mark.parametrize("message", ["Cancelled", "Task was cancelled by the user.", "Request cancelled"])
def test_what_was_cancelled_is_no_failure(message: str) -> None:
    assert examine(RuntimeError(message)).neutral


@pytest.mark.parametrize("message", ["The subscription was cancelled", "Order 7 cancelled, refund failed: timed out"])
def test_what_only_speaks_of_cancelling_is_a_failure(message: str) -> None:
    assert not examine(RuntimeError(message)).neutral
