"""What is known of one family of providers, as tables: no code, so that it can be read, compared and extended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

import attrs

from taskwarden.classify.evidence import Weight
from taskwarden.core.failure import Failure
from taskwarden.errors import InvalidValue

__all__ = ["Meaning", "Pack", "Phrase"]


_TABLES: Final = (
    *("types", "broad", "bugs", "faint", "content", "neutral"),
    *("labels", "families", "numbers", "replies", "states", "statuses"),
)


def _coded(code: str, where: str) -> None:
    try:
        Failure(code)
    except InvalidValue as error:
        raise InvalidValue(where, code, error.rule, "for example 'api_limit.rate'") from None


@attrs.frozen
class Meaning:
    """
    What an entry of a table means. A plain string is the meaning with that code.

    Args:
        code: As ``Failure.code``.
        definitive: A repetition cannot help; None: as ``CODES`` has it for codes named by a provider.
        retry_after: How long to wait, where the entry alone says so.
    """

    code: str
    definitive: bool | None = attrs.field(default=None, kw_only=True)
    retry_after: timedelta | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Phrase:
    """
    Words in a message that mean something. They are found at word boundaries only, in letters of any case.

    Args:
        words: Words that must be there, in small letters, beginning with a whole word: looked for first, being cheap.
        code: As ``Failure.code``.
        pattern: A regular expression that must match too, in letters of any case; None: the words are enough.
        sharp: It says more than a code or a status in the same message would.
        whole: The message must be nothing but the words; with a pattern, the pattern must match all of it.
    """

    words: str
    code: str
    pattern: str | None = None
    sharp: bool = attrs.field(default=False, kw_only=True)
    whole: bool = attrs.field(default=False, kw_only=True)
    expression: re.Pattern[str] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Check the words, and compile them."""
        _coded(self.code, f"Phrase({self.words!r}).code")
        if not self.words.strip() or self.words != self.words.lower():
            raise InvalidValue("Phrase.words", self.words, "must be words in small letters")
        pattern = self.pattern or re.escape(self.words)
        bounded = rf"(?:\A\W*(?:{pattern})\W*\Z)" if self.whole else rf"(?<!\w)(?:{pattern})(?!\w)"
        try:
            expression = re.compile(bounded, re.IGNORECASE | re.ASCII)
        except re.error as error:
            raise InvalidValue("Phrase.pattern", self.pattern, f"must be a regular expression: {error}") from None
        if expression.search("") is not None:
            raise InvalidValue("Phrase.pattern", self.pattern, "must not match the empty text: it would match any")
        object.__setattr__(self, "expression", expression)


def _rule(rule: str | Meaning) -> Meaning:
    return rule if isinstance(rule, Meaning) else Meaning(rule)


def _named(table: Mapping[str, str | Meaning]) -> Mapping[str, Meaning]:
    return {name: _rule(rule) for name, rule in table.items()}


def _numbered(table: Mapping[int, str | Meaning]) -> Mapping[int, Meaning]:
    return {number: _rule(rule) for number, rule in table.items()}


def _phrases(phrases: Iterable[Phrase]) -> tuple[Phrase, ...]:
    return tuple(phrases)


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


@attrs.frozen(kw_only=True)
class Pack:
    """
    What is known of one family of providers.

    All tables but *name* may be absent. Classes are matched by qualified name over the whole MRO, so that a subclass is
    known by its base and nothing needs to be imported.

    Args:
        name: Of the family, as evidence shows it.
        packages: The packages of its SDKs: *numbers* hold for their exceptions only; empty: for all.
        types: Qualified name of a class to what it means, where it has one cause.
        broad: The same for classes with several causes: what is behind them, or a response, may tell more.
        bugs: The same for classes of mistakes in code.
        faint: The same for classes that say next to nothing.
        content: The same for answers that could not be read.
        neutral: The same for what is no failure.
        labels: A provider's code, as it stands in a body, a header or an attribute, for one cause.
        families: The same for codes that a more exact one may accompany.
        numbers: A number that is the exception's first argument.
        replies: Code of an SMTP reply, basic (``535``) or enhanced (``5.7.8``).
        states: SQLSTATE, of five characters, or its class of two.
        statuses: HTTP status.
        sentences: Phrases in the message of a response, where the provider has no code.
        phrases: Phrases in the text of an exception.
    """

    name: str
    packages: frozenset[str] = attrs.field(default=frozenset(), converter=_names)
    types: Mapping[str, Meaning] = attrs.field(factory=dict, converter=_named)
    broad: Mapping[str, Meaning] = attrs.field(factory=dict, converter=_named)
    bugs: Mapping[str, Meaning] = attrs.field(factory=dict, converter=_named)
    faint: Mapping[str, Meaning] = attrs.field(factory=dict, converter=_named)
    content: Mapping[str, Meaning] = attrs.field(factory=dict, converter=_named)
    neutral: Mapping[str, Meaning] = attrs.field(factory=dict, converter=_named)
    labels: Mapping[str, Meaning] = attrs.field(factory=dict, converter=_named)
    families: Mapping[str, Meaning] = attrs.field(factory=dict, converter=_named)
    numbers: Mapping[int, Meaning] = attrs.field(factory=dict, converter=_numbered)
    replies: Mapping[str, Meaning] = attrs.field(factory=dict, converter=_named)
    states: Mapping[str, Meaning] = attrs.field(factory=dict, converter=_named)
    statuses: Mapping[int, Meaning] = attrs.field(factory=dict, converter=_numbered)
    sentences: tuple[Phrase, ...] = attrs.field(default=(), converter=_phrases)
    phrases: tuple[Phrase, ...] = attrs.field(default=(), converter=_phrases)

    def __attrs_post_init__(self) -> None:
        """Check every code."""
        for name in _TABLES:
            for key, rule in getattr(self, name).items():
                _coded(rule.code, f"Pack.{name}[{key!r}]")

    @property
    def by_weight(self) -> tuple[tuple[Weight, Mapping[str, Meaning]], ...]:
        """The tables of classes, with their weights."""
        return (
            (Weight.NEUTRAL, self.neutral),
            (Weight.FAINT, self.faint),
            (Weight.BUG, self.bugs),
            (Weight.BROAD, self.broad),
            (Weight.CONTENT, self.content),
            (Weight.TYPE, self.types),
        )

    @property
    def codes(self) -> frozenset[str]:
        """Every code that it may answer."""
        tables = [table for _, table in self.by_weight]
        tables += [self.labels, self.families, self.replies, self.states]
        ruled = {rule.code for table in tables for rule in table.values()}
        ruled |= {rule.code for table in (self.numbers, self.statuses) for rule in table.values()}
        return frozenset(ruled | {phrase.code for phrase in (*self.sentences, *self.phrases)})
