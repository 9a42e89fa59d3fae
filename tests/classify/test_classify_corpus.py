"""The golden corpus: how much of it is right, and that it is what it says."""

from pathlib import Path

import pytest

from taskwarden.classify import CODES, shipped
from taskwarden.classify.corpus import Line, lines
from taskwarden.classify.report import Report, judge

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(CORPUS.glob("*.jsonl"))
LEAST_STRUCTURED = 0.95
LEAST_TEXT = 0.90


def of(path: Path) -> list[Line]:
    return list(lines(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def report() -> Report:
    return judge(shipped(), [line for path in FILES for line in of(path)])


def test_there_are_at_least_four_hundred_lines_each_with_its_source(report: Report) -> None:
    assert len(report.structured) >= 300
    assert len(report.judged) >= 400
    assert [each for each in report.judged if not each.line.source.strip()] == []


def test_no_code_of_the_corpus_is_without_a_meaning(report: Report) -> None:
    reasons = {code.partition(".")[0] for code in CODES}

    assert {each.line.code for each in report.judged} <= CODES.keys() | reasons


def test_of_what_is_more_than_a_message_at_least_95_percent_is_right(report: Report) -> None:
    right, total = report.right(report.structured)

    assert right / total >= LEAST_STRUCTURED, report


def test_of_what_was_raised_nothing_gets_worse(report: Report) -> None:
    """All of it was right once; a line that is wrong now is a regression, or needs a reason in the commit."""
    assert [str(each.line.source) for each in report.structured if not each.right] == []


def test_of_messages_alone_at_least_90_percent_are_right(report: Report) -> None:
    right, total = report.right(report.textual)

    assert right / total >= LEAST_TEXT, report


def test_text_is_never_definitive(report: Report) -> None:
    assert report.definitive_by_text == []


def test_messages_that_nobody_looked_at_are_left_unknown_rather_than_misunderstood(report: Report) -> None:
    """Half of what people write freely is not understood, which costs little; what is understood must be right."""
    misled = [each for each in report.held_out if not each.right and each.failure.code != "unknown"]

    assert len(report.held_out) >= 15
    assert len(misled) <= len(report.held_out) / 10, report


def test_no_line_stands_there_twice() -> None:
    for path in FILES:
        written = path.read_text(encoding="utf-8").splitlines()
        assert len(written) == len(set(written)), path.name
