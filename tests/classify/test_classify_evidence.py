"""Which sign wins where several speak, and what of a message is read at all."""

import httpx
import pytest

from taskwarden.classify import Weight, classify, examine
from taskwarden.core.failure import Confidence


def foreign(module: str, name: str, text: str, *bases: type[Exception]) -> Exception:
    """Return an exception of a class of that qualified name, as a library that is not installed would raise it."""
    cls = type(name, bases or (Exception,), {"__module__": module})
    error: Exception = cls(text)
    return error


def answered(status: int) -> httpx.HTTPStatusError:
    response = httpx.Response(status, request=httpx.Request("GET", "https://api.example.org"))
    return httpx.HTTPStatusError("no", request=response.request, response=response)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("no answer", "network_error.refused"),
        ("[Errno -2] Name or service not known", "network_error.dns"),
        ("429 Too Many Requests", "network_error.refused"),
        ("invalid_grant", "network_error.refused"),
        ("invalid_grant, and the connection was reset by peer", "network_error.reset"),
    ],
)
def test_a_message_refines_a_broad_type_and_never_changes_its_reason(message: str, code: str) -> None:
    error = foreign("requests.exceptions", "ConnectionError", message)

    assert classify(error).code == examine(error).failure.code == code


def test_what_a_message_refined_is_as_sure_as_text() -> None:
    failure = classify(foreign("requests.exceptions", "ConnectionError", "Name or service not known"))

    assert failure.confidence is Confidence.TEXT


def test_a_status_nearby_goes_before_a_type_further_away() -> None:
    error = answered(503)
    error.__context__ = httpx.ConnectTimeout("while the token was renewed")

    assert classify(error).code == "network_error.upstream"


def test_a_status_tells_more_than_that_its_page_could_not_be_read() -> None:
    error = foreign("aiohttp.client_exceptions", "ContentTypeError", "unexpected mimetype: text/html")
    assert classify(error).code == "unknown.response"

    error.status = 502  # type: ignore[attr-defined]  # as aiohttp's has it

    assert classify(error).code == "network_error.upstream"


@pytest.mark.parametrize("code", [429, "429", 404, None, True])
def test_a_number_called_code_is_no_status(code: object) -> None:
    error = RuntimeError("exit")
    error.code = code  # type: ignore[attr-defined]  # as many libraries have it, for exit codes among others

    assert classify(error).code == "unknown"


def test_all_evidence_is_kept_with_how_sure_it_is_and_where_it_stands() -> None:
    wrapper = RuntimeError("Too Many Requests")
    wrapper.__cause__ = answered(401)

    verdict = examine(wrapper)

    assert [(each.code, each.weight, each.place) for each in verdict.evidence] == [
        ("auth_error.expired", Weight.STATUS, 1),
        ("api_limit.rate", Weight.TEXT, 0),
    ]
    assert str(verdict).splitlines() == [
        "auth_error.expired",
        "  auth_error.expired, by status 401, protocol",
        "  api_limit.rate, by text: 'too many requests' (phrases), text",
    ]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The article 'Rate limit exceeded' does not exist", "config_error.not_found"),
        ("Cannot read https://example.org/rate_limit_exceeded/429: connection reset by peer", "network_error.reset"),
        ("Cannot read https://example.org/?error=invalid_grant", "unknown"),
        ("KeyError: 'Too Many Requests'", "unknown.bug"),
        ("ValueError: 502 Bad Gateway", "network_error.upstream"),
        ("json.decoder.JSONDecodeError: it is not", "unknown.response"),
        ("(550, b'5.4.5 Daily user sending limit exceeded')", "api_limit.quota_daily"),
        ("(550, b'no such user here')", "config_error.not_found"),
        ("status = StatusCode.UNAVAILABLE", "network_error.upstream"),
        ("400: rate limit exceeded", "api_limit.rate"),
        ("404: rate limit of the site", "config_error.not_found"),
        ("order 429 of customer 503", "unknown"),
        ("the option no_text: connection refused", "network_error.refused"),
        ("ConnectTimeout: ", "network_error.timeout"),
        ("ConnectionError: ", "unknown"),  # of several libraries, which mean different things by it
        ("user_429 has 503 followers", "unknown"),
        ("100.503.429", "unknown"),
        ("", "unknown"),
        ("   ", "unknown"),
    ],
)
def test_of_a_message_the_speakers_own_words_are_read(message: str, code: str) -> None:
    assert classify(RuntimeError(message)).code == code


def test_a_message_is_read_as_far_as_it_is_kept() -> None:
    assert classify(RuntimeError("x" * 1_900 + " connection refused")).code == "network_error.refused"
    assert classify(RuntimeError("x" * 2_100 + " connection refused")).code == "unknown"


def test_a_long_message_costs_no_more_than_it_must() -> None:
    """No pattern runs wild: the worst that hostile text of the greatest length does is bounded."""
    from time import perf_counter

    for text in ("token " * 400, "a" * 2_000, "'" * 2_000, "exceeded the " * 160, "not " * 500, "credential is " * 150):
        start = perf_counter()
        classify(RuntimeError(text))
        assert perf_counter() - start < 0.5, text[:20]
