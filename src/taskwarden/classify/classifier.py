"""
From an exception to a failure: all signs are gathered, the most specific decides.

Theory: what an executor raises is often a wrapper, or an accident that happened while the real error was handled. So
all that is behind it is asked. A ``TaskFailure`` anywhere is the executor's own word. Otherwise the nearest exception
with an exact sign decides, by its most specific one. If none is exact, the most specific sign of all does; where that
is a type raised for several causes, a message may tell which, but never turn it into a failure of another reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Final

import attrs

from taskwarden.classify.carrier import NOTHING, Carried, carried
from taskwarden.classify.chain import causes, safely
from taskwarden.classify.codes import DEFINITIVE, NEUTRAL
from taskwarden.classify.evidence import CONFIDENCES, Evidence, Weight
from taskwarden.classify.index import Index
from taskwarden.classify.pack import Meaning, Pack
from taskwarden.classify.system import ERRNO, errno_of, number_of, replies_of, state_of
from taskwarden.classify.text import LONGEST_TEXT
from taskwarden.core.failure import Failure, TaskFailure

__all__ = ["Classifier", "Verdict"]

_LONGEST_MESSAGE: Final = 2_000
_LONGEST_NAME: Final = 200
_MOST_TEXTS: Final = 16
"""Messages are read of so many exceptions of a chain."""
_REFINED: Final = frozenset({400, 401, 402, 403, 429})
"""Statuses of which a sentence in the body may tell more."""
_LIMITED: Final = frozenset({403, 429})
_NAMED: Final = frozenset({Weight.LABEL, Weight.FAMILY, Weight.TYPE})


@attrs.frozen
class Verdict:
    """
    What failed, and what speaks for it.

    Args:
        failure: As the runner takes it.
        evidence: All signs; the one that decided comes first, then by exception and specificity.
    """

    failure: Failure
    evidence: tuple[Evidence, ...] = ()

    @property
    def neutral(self) -> bool:
        """Whether it is no failure: the work was cancelled, or somebody has yet to answer."""
        return self.failure.code in NEUTRAL

    def __str__(self) -> str:
        """Return the code and its signs, a line each. Nothing of the input but names of classes is in it."""
        signs = (f"  {each.code}, by {each.sign}, {each.confidence.name.lower()}" for each in self.evidence)
        return "\n".join([self.failure.code, *signs])


class Classifier:
    """
    Says what failed.

    Pure and total: whatever the attributes, ``str`` and ``repr`` of exceptions raise, the answer is a failure.

    Args:
        packs: What is known of providers; where two know the same, the later wins. ``taskwarden.classify.packs.PACKS``
            are those that are shipped.
    """

    def __init__(self, *packs: Pack) -> None:
        self.packs: Final = packs
        self._index: Final = Index(packs)

    def classify(self, error: BaseException) -> Failure:
        """
        Say what failed.

        The message is what the deciding exception says of itself, cut to 2,000 characters and not redacted.
        """
        return self._verdict(error, full=False).failure

    def examine(self, error: BaseException) -> Verdict:
        """Say what failed, with all the evidence."""
        return self._verdict(error, full=True)

    def _verdict(self, error: BaseException, *, full: bool) -> Verdict:
        """Judge *error*; unless it is to be *full*, messages are not read that could not change the failure."""
        behind = tuple(causes(error))
        for each in behind:
            failure = safely(_said, each, None)
            if failure is not None:
                return Verdict(failure, (_evidence(Weight.EXPLICIT, Meaning(failure.code), "TaskFailure"),))
        found: list[Evidence] = []
        statuses: dict[int, int] = {}
        heaviest = 0
        for place, each in enumerate(behind):
            carries = safely(carried, each, NOTHING)
            if carries.status is not None:
                statuses[place] = carries.status
            signs = self._structured(each, carries)
            own = max((sign.weight for sign in signs), default=0)
            heaviest = max(heaviest, own)
            if (full or heaviest < Weight.EXACT) and place < _MOST_TEXTS and own is not Weight.BUG:
                # Beside a broad type any sign may refine it; else the first is the one that counts.
                signs += self._texts(each, full=full or heaviest is Weight.BROAD)
            signs.sort(key=_heaviest)
            found += [_placed(sign, place, carries.wait) for sign in signs]
        if not found:
            return Verdict(Failure("unknown", _message(error), fingerprint=_fingerprint("unknown", error, None)))
        deciding = _deciding(found)
        by = behind[deciding.place]
        failure = Failure(
            deciding.code,
            _message(by),
            retry_after=_wait(deciding, found),
            definitive=deciding.definitive,
            confidence=deciding.confidence,
            fingerprint=_fingerprint(deciding.code, by, statuses.get(deciding.place)),
        )
        return Verdict(failure, (deciding, *(each for each in found if each is not deciding)) if full else ())

    def _structured(self, error: BaseException, carries: Carried) -> list[Evidence]:
        signs: list[Evidence] = safely(self._types, error, [])
        if carries is not NOTHING:
            signs += self._labels(carries)
            signs += self._response(carries)
        signs += safely(self._numbers, error, [])
        return signs

    def _types(self, error: BaseException) -> list[Evidence]:
        known = self._index.of_class(type(error))
        if known is None:
            return []
        weight, rule, name = known
        return [_evidence(weight, rule, f"type {name}")]

    def _labels(self, carries: Carried) -> Iterator[Evidence]:
        for label in dict.fromkeys(carries.labels):
            if (known := self._index.labels.get(label)) is not None:
                weight, rule, name = known
                if weight is Weight.FAMILY and self._contradicts(carries.status, rule):
                    weight = Weight.CONTENT
                sign = _evidence(weight, rule, f"code {label} ({name})")
                broken = carries.status is not None and carries.status >= 500  # its word is worth less just now
                yield attrs.evolve(sign, definitive=False) if broken and sign.definitive else sign

    def _contradicts(self, status: int | None, rule: Meaning) -> bool:
        """Tell whether *status* says of another reason than a family does: 401, and `invalid_request_error`."""
        known = None if status is None or status == 400 else self._index.of_status(status)
        return known is not None and known.code.partition(".")[0] != rule.code.partition(".")[0]

    def _response(self, carries: Carried) -> Iterator[Evidence]:
        status = carries.status
        if status is None:
            return
        if carries.limited and status in _LIMITED:
            yield _evidence(Weight.HEADER, Meaning("api_limit.rate"), f"status {status} with a header of a limit")
        if (rule := self._index.of_status(status)) is not None:
            yield _evidence(Weight.STATUS, rule, f"status {status}")
        if status in _REFINED:
            for sentence in carries.sentences:
                for code, sign in self._index.sentences(sentence[:LONGEST_TEXT]):
                    yield _evidence(Weight.SENTENCE, Meaning(code), f"{sign} in the response")

    def _numbers(self, error: BaseException) -> list[Evidence]:
        index = self._index
        signs: list[Evidence] = []
        number = errno_of(error)
        if number is not None and (code := ERRNO.get(number)) is not None:
            signs.append(_evidence(Weight.TYPE, Meaning(code), f"errno {number}"))
        if (numbers := index.numbers_of(type(error))) is not None:
            number = number_of(error)
            if number is not None and (rule := numbers.get(number)) is not None:
                signs.append(_evidence(Weight.LABEL, rule, f"number {number}"))
        state = state_of(error)
        if state is not None and (rule := index.states.get(state) or index.states.get(state[:2])) is not None:
            signs.append(_evidence(Weight.LABEL, rule, f"SQLSTATE {state}"))
        if index.speaks_smtp(type(error)):
            replies = ((reply, index.replies.get(reply)) for reply in replies_of(error))
            signs += [_evidence(Weight.LABEL, rule, f"reply {reply}") for reply, rule in replies if rule is not None]
        return signs

    def _texts(self, error: BaseException, *, full: bool) -> list[Evidence]:
        text = safely(lambda it: _storable(str(it), LONGEST_TEXT), error, "")
        if not text or text.isspace():
            return []
        signs = self._index.reader.signs(text)
        return [
            _evidence(Weight.TEXT, Meaning(code), sign)
            for code, sign in (dict.fromkeys(signs) if full else islice(signs, 1))
        ]


def _heaviest(sign: Evidence) -> int:
    return -sign.weight


def _evidence(weight: Weight, rule: Meaning, sign: str) -> Evidence:
    confidence = CONFIDENCES[weight]
    definitive = rule.definitive if rule.definitive is not None else weight in _NAMED and rule.code in DEFINITIVE
    return Evidence(rule.code, weight, sign, confidence, definitive, rule.retry_after)


def _placed(sign: Evidence, place: int, wait: timedelta | None) -> Evidence:
    if place == 0 and wait is None:
        return sign
    return attrs.evolve(sign, place=place, retry_after=sign.retry_after if wait is None else wait)


def _deciding(found: list[Evidence]) -> Evidence:
    """Return the sign that decides. Those of one exception stand together, the heaviest first."""
    exact = next((each for each in found if each.weight > Weight.EXACT), None)
    if exact is not None:
        return exact
    heaviest = max(found, key=lambda each: each.weight)  # the first of them
    if heaviest.weight is not Weight.BROAD:
        return heaviest
    reason = heaviest.code.partition(".")[0]
    texts = (each for each in found if each.weight is Weight.TEXT and each.place >= heaviest.place)
    return next((each for each in texts if each.code.partition(".")[0] == reason), heaviest)


def _wait(deciding: Evidence, found: list[Evidence]) -> timedelta | None:
    """Return how long to wait: by the exception that decided, or else by another that failed for the same reason."""
    if deciding.retry_after is not None:
        return deciding.retry_after
    reason = deciding.code.partition(".")[0]
    alike = (each.retry_after for each in found if each.code.partition(".")[0] == reason)
    return next((wait for wait in alike if wait is not None), None)


def _said(error: BaseException) -> Failure | None:
    said = error.failure if isinstance(error, TaskFailure) else None
    return said if isinstance(said, Failure) else None


def _message(error: BaseException) -> str:
    return safely(lambda it: _storable(str(it), _LONGEST_MESSAGE), error, "") or _name(error)


def _name(error: BaseException) -> str:
    kind = type(error)
    return safely(
        lambda it: _storable(f"{it.__module__}.{it.__qualname__}", _LONGEST_NAME), kind, "a nameless exception"
    )


def _storable(text: str, longest: int) -> str:
    """Return *text* as a plain ``str``, cut, without what no database stores: halves of surrogate pairs, and NUL."""
    return str.__getitem__(text, slice(longest)).encode("utf-8", "replace").decode().replace("\0", "?")


def _fingerprint(code: str, error: BaseException, status: int | None) -> str:
    return ":".join((code, _name(error), *([] if status is None else [str(status)])))
