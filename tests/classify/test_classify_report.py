"""The report: what it counts, what errors cost, and its command line."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from taskwarden.classify import Pack, shipped
from taskwarden.classify.__main__ import main
from taskwarden.classify.corpus import lines
from taskwarden.classify.report import COSTS, cost, judge
from taskwarden.core.failure import Failure, Reason
from taskwarden.errors import InvalidValue

ACME = Pack(name="acme", types={"acme.errors.Weary": "api_limit.rate"})
RIGHT = {"text": "502 Bad Gateway", "code": "network_error.upstream", "source": "RFC 9110"}
WRONG = {"text": "502 Bad Gateway", "code": "auth_error.revoked", "source": "made up", "split": "held_out"}
WEARY = {"raised": {"type": ["acme.errors.Weary"], "text": "later"}, "code": "api_limit", "source": "acme 1.0"}


def written(path: Path, *entries: Mapping[str, object]) -> str:
    path.write_text("\n".join([*(json.dumps(entry) for entry in entries), "", ""]), encoding="utf-8")
    return str(path)


def test_the_report_counts_by_level_and_by_reason() -> None:
    report = judge(shipped(), lines(json.dumps(entry) for entry in (RIGHT, WRONG, WEARY)))

    assert report.right() == (1, 3)
    assert report.right(report.structured) == (0, 1)
    assert report.right(report.textual) == (1, 2)
    assert report.right(report.held_out) == (0, 1)
    assert report.confusion[Reason.AUTH_ERROR, Reason.NETWORK_ERROR] == 1
    assert report.weighted_error == pytest.approx((10 + 4) / 3)
    assert "auth_error.revoked was taken for network_error.upstream (cost 10): made up" in str(report)


def test_every_confusion_of_two_reasons_costs_something() -> None:
    assert {(one, other) for one in Reason for other in Reason if one is not other} == COSTS.keys()


@pytest.mark.parametrize(
    ("expected", "found", "price"),
    [
        ("network_error.dns", Failure("network_error.dns"), 0),
        ("network_error", Failure("network_error.dns"), 0),
        ("network_error.dns", Failure("network_error.tls"), 1),
        ("auth_error.revoked", Failure("network_error.dns"), 10),
        ("network_error.dns", Failure("unknown.internal_db"), 16),
        ("unknown.internal_db", Failure("network_error.dns"), 12),
        ("network_error.dns", Failure("unknown.cancelled"), 11),
        ("unknown.cancelled", Failure("unknown.bug"), 4),
    ],
)
def test_an_error_costs_what_it_leads_to(expected: str, found: Failure, price: int) -> None:
    assert cost(expected, found) == price


def test_a_false_definitive_costs_most() -> None:
    assert cost("network_error.dns", Failure("network_error.dns", definitive=True), definitive=False) == 20
    assert cost("auth_error.revoked", Failure("auth_error.revoked"), definitive=True) == 2


def test_a_line_may_ask_for_more_than_the_code() -> None:
    entry = {**RIGHT, "definitive": True}

    assert judge(shipped(), lines([json.dumps(entry)])).right() == (0, 1)
    assert judge(shipped(), lines([json.dumps({**RIGHT, "retry_after": 5})])).right() == (0, 1)
    assert judge(shipped(), lines([json.dumps({**RIGHT, "definitive": False})])).right() == (1, 1)


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{",
        '{"code": "unknown", "source": "x"}',
        json.dumps({**RIGHT, "colour": 1}),
        json.dumps({**RIGHT, "source": ""}),
    ],
)
def test_a_line_that_is_none_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(InvalidValue, match="line 2"):
        list(lines([json.dumps(RIGHT), line]))


def test_the_command_prints_the_report(tmp_path: Path) -> None:
    corpus = written(tmp_path / "corpus.jsonl", RIGHT, WRONG)

    done = subprocess.run(
        [sys.executable, "-m", "taskwarden.classify", "report", corpus], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "cost-weighted error" in done.stdout


def test_the_command_fails_under_a_share_that_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = written(tmp_path / "corpus.jsonl", RIGHT, WRONG)

    assert main(["report", corpus, "--fail-under", "50"]) == 0
    assert main(["report", corpus, "--fail-under", "51"]) == 1
    capsys.readouterr()


def test_the_command_takes_packs_of_the_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = written(tmp_path / "corpus.jsonl", WEARY)
    name = f"{ACME.__class__.__module__}:Pack"

    assert main(["report", corpus, "--fail-under", "100"]) == 1
    assert main(["report", corpus, "--fail-under", "100", "--pack", f"{__name__}:ACME"]) == 0
    assert main(["report", corpus, "--pack", name]) == 2
    assert "must be module:NAME of a Pack" in capsys.readouterr().err


def test_the_command_says_what_it_cannot_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "absent.jsonl")]) == 2
    (tmp_path / "corpus.jsonl").write_text("nonsense\n", encoding="utf-8")
    assert main(["report", str(tmp_path / "corpus.jsonl")]) == 2
    assert "line 1" in capsys.readouterr().err
