"""P37 and P38: a message never turns a structured failure into another, and no secret comes out of the evidence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.classify import Weight, classify, examine, shipped
from taskwarden.classify.corpus import lines, revived
from taskwarden.core.failure import Confidence

CORPUS = Path(__file__).parent / "corpus"


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CORPUS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def structured(entry: dict[str, Any]) -> bool:
    verdict = examine(revived(entry["raised"]))
    return max(each.weight for each in verdict.evidence) >= Weight.BROAD


RAISED = [entry["raised"] for entry in read("raised") if structured(entry)]
MESSAGES = [entry["text"] for entry in (*read("messages"), *read("issues"))]

raised = st.sampled_from(RAISED)
messages = st.sampled_from(MESSAGES) | st.text(max_size=200)
DIGITS = st.text("0123456789", min_size=1, max_size=6)


def saying(entry: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return *entry* with another message; what it carries besides stays."""
    changed = {**entry, "text": change(entry.get("text", ""))}
    for behind in ("cause", "context"):
        if behind in entry:
            changed[behind] = saying(entry[behind], change)
    for behind in ("held", "group"):
        if behind in entry:
            changed[behind] = [saying(each, change) for each in entry[behind]]
    return changed


def test_most_of_what_was_raised_is_structured() -> None:
    assert len(RAISED) >= 300


@given(raised, messages)
def test_p37_no_message_at_all_turns_a_structured_failure_into_one_of_another_reason(
    entry: dict[str, Any], message: str
) -> None:
    assert classify(revived(saying(entry, lambda _: message))).reason == classify(revived(entry)).reason


@given(raised, st.lists(DIGITS, min_size=1, max_size=5))
def test_p37_ids_and_numbers_in_the_message_do_not_matter(entry: dict[str, Any], numbers: list[str]) -> None:
    def other(text: str) -> str:
        return "".join(numbers[0][0] if each.isdigit() else each for each in text) + f" (id {' '.join(numbers)})"

    assert classify(revived(saying(entry, other))).reason == classify(revived(entry)).reason


@given(raised)
def test_p37_upper_and_lower_case_do_not_matter(entry: dict[str, Any]) -> None:
    for change in (str.upper, str.lower, str.title):
        assert classify(revived(saying(entry, change))).reason == classify(revived(entry)).reason


@given(raised, messages)
def test_p37_a_wrapper_does_not_matter_whatever_it_says(entry: dict[str, Any], message: str) -> None:
    wrapper = RuntimeError(message)
    wrapper.__cause__ = revived(entry)

    group = ExceptionGroup("child tasks", [wrapper])

    assert classify(wrapper).reason == classify(group).reason == classify(revived(entry)).reason


@given(st.sampled_from(MESSAGES) | st.text(max_size=500))
def test_p37_text_never_makes_a_definitive_failure(message: str) -> None:
    failure = classify(RuntimeError(message))

    assert failure.confidence <= Confidence.TEXT
    assert not failure.definitive


@given(raised)
def test_with_all_the_evidence_the_failure_is_the_same(entry: dict[str, Any]) -> None:
    error = revived(entry)

    verdict = examine(error)

    assert verdict.failure == classify(error)
    assert verdict.evidence[0].code == verdict.failure.code


@given(messages)
def test_with_all_the_evidence_the_failure_of_a_message_is_the_same(message: str) -> None:
    error = RuntimeError(message)

    assert examine(error).failure == classify(error)


SECRETS = st.from_regex(r"(sk|ghp|xoxb|AKIA|ya29)[-_.][A-Za-z0-9]{20,40}", fullmatch=True)
HIDING = [
    lambda secret: RuntimeError(f"401 Unauthorized: token {secret} is invalid"),
    lambda secret: ValueError(f"invalid_grant {secret}"),
    KeyError,
    lambda secret: ConnectionError(f"https://user:{secret}@api.example.org refused"),
    lambda secret: answered(401, {"error": {"code": "invalid_api_key", "message": f"Incorrect API key: {secret}"}}),
    lambda secret: answered(400, {"error": secret, "error_description": secret}),
    lambda secret: answered(429, {"code": secret}, {"x-api-key": secret, "retry-after": secret}),
]


def answered(status: int, body: Any, headers: dict[str, str] | None = None) -> Exception:
    request = httpx.Request("GET", "https://api.example.org")
    response = httpx.Response(status, json=body, headers=headers, request=request)
    return httpx.HTTPStatusError(str(body), request=request, response=response)


@given(SECRETS, st.sampled_from(HIDING))
def test_p38_no_secret_of_the_input_is_in_the_evidence_or_the_fingerprint(
    secret: str, hiding: Callable[[str], Exception]
) -> None:
    verdict = examine(hiding(secret))

    assert secret not in str(verdict)
    assert secret not in verdict.failure.fingerprint
    assert secret not in verdict.failure.code


def test_p38_every_word_of_the_evidence_is_of_the_tables() -> None:
    """Signs of the whole corpus: none is longer than a table's key could be."""
    for entry in RAISED:
        for each in examine(revived(entry)).evidence:
            assert len(each.sign) <= 120, each.sign


@pytest.mark.parametrize("name", ["raised", "messages", "issues", "held_out"])
def test_a_corpus_is_read_twice_alike(name: str) -> None:
    text = (CORPUS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()

    once, again = ([shipped().classify(line.error) for line in lines(text)] for _ in range(2))

    assert once == again
