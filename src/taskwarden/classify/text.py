"""
What a message tells: the weakest sign, and the only one where an error has been turned into text.

Theory: words are found at word boundaries, numbers only where they are said to be a status, and a provider's codes only
where they look like nothing else (``rateLimitExceeded``, ``invalid_grant``). Addresses are blanked out first, and for
whole phrases short quotations too: neither is the speaker's own word. Of several signs the most specific goes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from taskwarden.classify.evidence import Weight
from taskwarden.classify.pack import Meaning, Phrase

__all__ = ["LONGEST_TEXT", "Reader"]

LONGEST_TEXT: Final = 2_000
"""A longer message is read to here."""

_URL: Final = re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://[^\s'\"<>)]*", re.IGNORECASE | re.ASCII)
_QUOTED: Final = re.compile(r"(?<!\w)'[^']{0,40}'(?!\w)|(?<!\w)\"[^\"]{0,40}\"|`[^`]{0,40}`")
_TOKEN: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[_-][A-Za-z0-9]+)*", re.ASCII)
_DISTINCT: Final = re.compile(r"_|[a-z][A-Z]|[A-Z]{8}", re.ASCII)
_SHORTEST_TOKEN: Final = 8
_WORD: Final = re.compile(r"[a-z0-9]+", re.ASCII)
_BEGIN: Final = 3
"""Phrases are looked up by so many letters of their first word."""
_DIGITS: Final = re.compile(r"[45][0-9]{2}", re.ASCII)
_RAISED: Final = re.compile(r"\A\s*<?((?:[A-Za-z_]\w*\.)*[A-Z]\w*)(?:: |\(|\Z)", re.ASCII)
_REASONS: Final = (
    r"bad request|unauthori[sz]ed|payment required|forbidden|not found|method not allowed|not acceptable|"
    r"proxy authentication required|request timeout|conflict|gone|precondition failed|payload too large|"
    r"request entity too large|content too large|unsupported media type|unprocessable (?:entity|content)|"
    r"locked|"
    r"too early|too many requests|unavailable for legal reasons|internal server error|not implemented|"
    r"bad gateway|"
    r"service (?:temporarily )?unavailable|gateway time-?out|insufficient storage|site is overloaded|rate limit"
)
_SAID: Final = (
    r"https?(?:/[0-9.]+)?(?: (?:error|status|code|response))*|https?error|http_?status|"
    r"status[ _-]?(?:code)?(?: of)?|"
    r"(?:error|response|result) ?(?:code|status)|last (?:exception|error)|"
    r"(?:server|api|upstream|endpoint|request|service|host|gateway|it) "
    r"(?:has )?(?:returned|responded with|replied with|answered(?: with)?|failed with)(?: an?)?"
    r"(?: https?)?(?: status| error| code| response)*|(?:unexpected|bad|error|failure|invalid) response|"
    r"(?:returned|received|got)(?: an?)?(?: https?)?(?: status| error| code| response| unexpected)+"
)
_KNOWN: Final = r"40[0-9]|41[0-7]|42[2-9]|431|451|498|50[0-9]|511|52[0-9]|529"
_STATUS: Final = re.compile(
    rf"(?<![\w.:/#-])([45]\d\d)\b(?=[\s:'\"-]*(?:(?:client |"
    rf"server )?error[\s:]*)?(?:for url[\s:]*)?(?:{_REASONS})\b)"
    rf"|\b(?:{_SAID})['\"]?[\s:=(]*['\"]?([45]\d\d)(?![\w.]\w|\w|%)"
    rf"|\A\W*(?:\w*(?:error|exception)\W+)*({_KNOWN})(?=\W|\Z)"
    rf"|\btoo many ([45]\d\d) error responses"
    rf"|:\s({_KNOWN})(?=\s[{{\[\"])"
    rf"|\berror:? ({_KNOWN})\b"
    rf"|[(\[](?:code |status |error )?({_KNOWN})[)\]]|\bcode:? ({_KNOWN})\b",
    re.IGNORECASE | re.ASCII,
)

_REPLY: Final = re.compile(
    r"\(([45]\d\d), b?['\"]\s*([45]\.\d{1,3}\.\d{1,3})?|\b[45]\d\d[ -]([45]\.\d{1,3}\.\d{1,3})\b", re.ASCII
)
_RPC: Final = re.compile(r"\bStatusCode\.([A-Z_]{2,40})", re.ASCII)
_OPEN: Final = frozenset({400, 401, 403})
"""Statuses that providers use for several causes: words about limits and credentials tell which."""


class Reader:
    """
    Reads messages by the tables of all packs.

    Args:
        phrases: Each with the name of its pack.
        labels: Codes of providers, in small letters, with their weight and the name of their pack.
        statuses: HTTP status to what it means.
        replies: Code of an SMTP reply to what it means.
        types: Bare name of a class to weight and rule, where all classes of that name mean the same.
    """

    def __init__(
        self,
        phrases: list[tuple[Phrase, str]],
        labels: Mapping[str, tuple[Weight, Meaning, str]],
        statuses: Mapping[int, Meaning],
        replies: Mapping[str, Meaning],
        types: Mapping[str, tuple[Weight, Meaning]],
    ) -> None:
        self._begun: dict[str, list[tuple[str, int, tuple[Phrase, str]]]] = {}
        for rank, each in enumerate(phrases):
            first = _WORD.search(each[0].words)
            begin = "" if first is None or first.start() else first[0][:_BEGIN]
            self._begun.setdefault(begin if len(begin) == _BEGIN else "", []).append((each[0].words, rank, each))
        self._labels, self._statuses, self._replies, self._types = labels, statuses, replies, types

    def signs(self, message: str) -> Iterator[tuple[str, str]]:
        """Yield codes and the signs for them, the most specific first."""
        raised = self._raised(message)
        if raised is not None and raised[0] is Weight.BUG:  # what a bug says of itself is a key, or Python's own words
            yield raised[1].code, raised[2]
            return
        text = _URL.sub(" ", message) if "://" in message else message
        likely = self._likely(text)
        yield from _found([each for each in likely if each[0].sharp], text)
        yield from self._named(text)
        numbers = []
        if _DIGITS.search(text) is not None:
            numbers = [int(found[found.lastindex or 1]) for found in _STATUS.finditer(text)]
            yield from self._replied(text)
        plain = [each for each in likely if not each[0].sharp]
        if plain and not _OPEN.isdisjoint(numbers):
            for reason in ("api_limit.", "auth_error."):
                yield from _found([each for each in plain if each[0].code.startswith(reason)], text)
        for status in numbers:
            if (rule := self._statuses.get(status)) is not None:
                yield rule.code, f"text: status {status}"
        if plain and ("'" in text or '"' in text or "`" in text):
            text = _QUOTED.sub("''", text)
        yield from _found(plain, text)
        if raised is not None:
            yield raised[1].code, raised[2]

    def sharp(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield what the phrases tell that say more than a status does."""
        return _found([each for each in self._likely(text) if each[0].sharp], text)

    def _likely(self, text: str) -> list[tuple[Phrase, str]]:
        """Return the phrases whose words are in *text*, in their order: by how words begin, so that few are tried."""
        lowered = text.lower()
        begun = self._begun
        found = []
        for begin in {"", *[word[:_BEGIN] for word in _WORD.findall(lowered)]} & begun.keys():
            found += [(rank, each) for words, rank, each in begun[begin] if words in lowered]
        found.sort(key=_rank)
        return [each for _, each in found]

    def _raised(self, message: str) -> tuple[Weight, Meaning, str] | None:
        """Return what the name of a class at the beginning tells, as in ``KeyError: 'id'``."""
        found = _RAISED.match(message)
        if found is None:
            return None
        name = found[1].rpartition(".")[2]
        known = self._types.get(name)
        return None if known is None else (*known, f"text: the name {name}")

    def _named(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield what the providers' codes in *text* tell: those for one cause first."""
        families = []
        for name in _RPC.findall(text):
            if (known := self._labels.get(name.lower())) is not None:
                yield known[1].code, f"text: StatusCode.{name.lower()} ({known[2]})"
        for token in _TOKEN.findall(text):
            if len(token) < _SHORTEST_TOKEN or (known := self._labels.get(token.lower())) is None:
                continue
            if _DISTINCT.search(token) is None:
                continue
            weight, rule, pack = known
            sign = f"text: the code {token.lower()} ({pack})"
            if weight is Weight.LABEL:
                yield rule.code, sign
            else:
                families.append((rule.code, sign))
        yield from families

    def _replied(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield what a mail server's reply in *text* tells, by the enhanced code if there is one."""
        for found in _REPLY.finditer(text):
            reply = found[2] or found[3] or found[1]
            rule = self._replies.get(reply) or (self._replies.get(found[1]) if found[1] else None)
            if rule is not None:
                yield rule.code, f"text: reply {reply}"


def _rank(phrase: tuple[int, tuple[Phrase, str]]) -> int:
    return phrase[0]


def _found(phrases: list[tuple[Phrase, str]], text: str) -> Iterator[tuple[str, str]]:
    for phrase, name in phrases:
        if phrase.expression.search(text) is not None:
            yield phrase.code, f"text: {phrase.words!r} ({name})"
