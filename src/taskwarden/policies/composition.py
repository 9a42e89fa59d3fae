"""
The algebra of rules: small ones make large ones, and laws hold.

``a | b`` says the stricter of two verdicts, ``a & b`` the milder. Both are associative, commutative, idempotent and
absorb each other; ``CONTINUE`` is the unit of ``|``, ``deny()`` that of ``&``. ``first`` is associative, and
``when(p, a | b) == when(p, a) | when(p, b)`` in what they say. A rule in ``shadow`` says nothing that counts.

A rule is an immutable value with a stable ``repr``. Detectors (``policies.detectors``) are the leaves that remember;
every other rule is a pure function of them and of the failure.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import attrs

from taskwarden.core.instant import FAR_FUTURE, MICROSECOND, micros, span
from taskwarden.errors import InvalidValue
from taskwarden.policies.verdict import CONTINUE, NOTHING, Facts, Opinion, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from taskwarden.core.failure import Failure
    from taskwarden.policies.detectors import Detector

__all__ = [
    "Code",
    "Predicate",
    "Rule",
    "all_of",
    "any_of",
    "cap",
    "cool",
    "deny",
    "first",
    "park",
    "shadow",
    "wait",
    "when",
]

_ZERO: Final = timedelta(0)
_LAST: Final = micros(FAR_FUTURE)
_DENY: Final = Severity.DENY


class Rule(ABC):
    """What a failure deserves: a pure function of the facts. Made of detectors and of other rules."""

    __slots__ = ()

    @abstractmethod
    def detectors(self) -> tuple[Detector, ...]:
        """Return the detectors that the rule stands on, shadowed ones too; one may come twice."""

    @property
    def waits(self) -> bool:
        """Whether the rule, shadowed parts too, says nothing until one of its detectors trips: it need not be asked."""
        return False

    @abstractmethod
    def judge(self, facts: Facts) -> Opinion:
        """Return what the rule says, and why."""

    def __or__(self, other: object) -> Rule:
        return any_of(self, other) if isinstance(other, Rule) else NotImplemented

    def __and__(self, other: object) -> Rule:
        return all_of(self, other) if isinstance(other, Rule) else NotImplemented


@runtime_checkable
class Predicate(Protocol):
    """Which failures a guarded rule is about. An immutable value with a stable ``repr``."""

    def holds(self, failure: Failure) -> bool:
        """Tell whether the rule is about *failure*. Pure."""


@attrs.frozen(init=False)
class Code:
    """Failures whose code is one of *codes* or begins with one: ``Code("auth_error", "api_limit.quota")``."""

    codes: tuple[str, ...]

    def __init__(self, *codes: str) -> None:
        if not codes or not all(codes):
            raise InvalidValue("codes", codes, "must be reasons or beginnings of codes, at least one", "'auth_error'")
        object.__setattr__(self, "codes", codes)  # how a frozen class sets a field

    def holds(self, failure: Failure) -> bool:
        return failure.code.startswith(self.codes)


@attrs.frozen
class _Several(Rule):
    rules: tuple[Rule, ...]

    def detectors(self) -> tuple[Detector, ...]:
        return tuple(detector for rule in self.rules for detector in rule.detectors())

    @property
    def waits(self) -> bool:
        return all(rule.waits for rule in self.rules)


@attrs.frozen
class AnyOf(_Several):
    """The strictest of *rules*."""

    def judge(self, facts: Facts) -> Opinion:
        opinions: list[Opinion] = []
        for rule in self.rules:  # a comprehension would be one more call
            said = rule.judge(facts)
            if said is not NOTHING:
                opinions.append(said)
        if len(opinions) < 2:
            return opinions[0] if opinions else NOTHING
        most = max(said.verdict for said in opinions)
        return _joined(most, [said for said in opinions if said.verdict == most], opinions)


@attrs.frozen
class AllOf(_Several):
    """The mildest of *rules*."""

    def judge(self, facts: Facts) -> Opinion:
        opinions = [rule.judge(facts) for rule in self.rules]
        return _joined(min(said.verdict for said in opinions), opinions, opinions)


@attrs.frozen
class First(_Several):
    """The first of *rules* that says anything."""

    def judge(self, facts: Facts) -> Opinion:
        opinions = [rule.judge(facts) for rule in self.rules]
        spoken = next((said for said in opinions if said.verdict != CONTINUE), NOTHING)
        return _joined(spoken.verdict, [spoken], opinions)


@attrs.frozen
class _One(Rule):
    rule: Rule

    def detectors(self) -> tuple[Detector, ...]:
        return self.rule.detectors()

    @property
    def waits(self) -> bool:
        return self.rule.waits


@attrs.frozen
class When(_One):
    """*rule*, of failures for which *predicate* holds. Its detectors count every failure all the same."""

    predicate: Predicate

    def judge(self, facts: Facts) -> Opinion:
        return self.rule.judge(facts) if self.predicate.holds(facts.failure) else NOTHING


@attrs.frozen
class Cap(_One):
    """*rule*, but never stricter than *most*; the time that it names, if any, is kept."""

    most: Severity

    def judge(self, facts: Facts) -> Opinion:
        said = self.rule.judge(facts)
        verdict = said.verdict
        if verdict.severity > self.most:
            named = 0 if verdict.severity is _DENY else verdict.at  # to deny is to name no time
            verdict = Verdict(self.most, named) if self.most else CONTINUE
        return _joined(verdict, [said], [said])


@attrs.frozen
class Shadow(_One):
    """*rule*, evaluated and reported in ``Decision.shadow``, saying nothing."""

    def judge(self, facts: Facts) -> Opinion:
        said = self.rule.judge(facts)
        severity = said.verdict.severity.name.lower()
        return Opinion(shadow=(*(f"{severity}:{name}" for name in said.why), *said.shadow))


@attrs.frozen
class Instead(_One):
    """*severity*, not before *after* from now, whenever *rule* says anything."""

    severity: Severity
    after: timedelta = _ZERO

    def judge(self, facts: Facts) -> Opinion:
        said = self.rule.judge(facts)
        if said is NOTHING or said.verdict == CONTINUE:
            return said
        return Opinion(_verdict(self.severity, facts.at, self.after), said.why, said.shadow)


@attrs.frozen
class Always(Rule):
    """*severity* of every failure, not before *after* from now."""

    severity: Severity
    after: timedelta = _ZERO

    def detectors(self) -> tuple[Detector, ...]:
        return ()

    def judge(self, facts: Facts) -> Opinion:
        after = f"({self.after})" if self.after else ""
        return Opinion(_verdict(self.severity, facts.at, self.after), (f"{self.severity.name.lower()}{after}",))


def any_of(*rules: Rule) -> Rule:
    """Return the rule that says the strictest of what *rules* say: ``a | b``."""
    return AnyOf(_flat(rules, AnyOf, "any_of"))


def all_of(*rules: Rule) -> Rule:
    """Return the rule that says the mildest of what *rules* say: ``a & b``."""
    return AllOf(_flat(rules, AllOf, "all_of"))


def first(*rules: Rule) -> Rule:
    """Return the rule that says what the first of *rules* says that says anything: an ordered table."""
    return First(_flat(rules, First, "first"))


def when(predicate: Predicate, rule: Rule) -> Rule:
    """Return *rule* for the failures that *predicate* is about: ``when(Code("auth_error"), Consecutive(1))``."""
    if not isinstance(predicate, Predicate):
        raise InvalidValue("predicate", predicate, "must have holds(failure)", "for example Code('auth_error')")
    return When(_rule(rule), predicate)


def cap(rule: Rule, severity: Severity) -> Rule:
    """Return *rule*, never stricter than *severity*; a time that it names is kept."""
    return Cap(_rule(rule), severity)


def shadow(rule: Rule) -> Rule:
    """Return *rule* on trial: what it would say is reported in ``Decision.shadow`` and changes nothing."""
    return Shadow(_rule(rule))


def cool(rule: Rule, after: timedelta = _ZERO) -> Rule:
    """Return *rule* with every trip a cooling-off that is not probed before *after*."""
    return Instead(_rule(rule), Severity.COOL, span(after, "after", lo=_ZERO))


def park(rule: Rule) -> Rule:
    """Return *rule* with every trip a parking: the task needs intervention."""
    return Instead(_rule(rule), Severity.PARK)


def deny(rule: Rule | None = None) -> Rule:
    """Return *rule* with every trip final: nothing runs until somebody intervenes. Of every failure, without a rule."""
    return Always(Severity.DENY) if rule is None else Instead(_rule(rule), Severity.DENY)


def wait(after: timedelta) -> Rule:
    """Return the rule that no failure is retried before *after*, which trips nothing."""
    return Always(Severity.RETRY_AT, span(after, "after"))


def _rule(value: object) -> Rule:
    if not isinstance(value, Rule):
        raise InvalidValue("rule", value, "must be a rule", "for example Consecutive(3)")
    return value


def _flat(rules: Iterable[Rule], kind: type[_Several], name: str) -> tuple[Rule, ...]:
    """Return *rules* with nested ones of one kind spliced in: association makes no difference, not even in ``repr``."""
    flat: list[Rule] = []
    for rule in rules:
        flat += rule.rules if isinstance(rule, kind) else (_rule(rule),)
    if not flat:
        raise InvalidValue(name, (), "must have at least one rule")
    return tuple(flat)


def _verdict(severity: Severity, at: int, after: timedelta) -> Verdict:
    if severity is Severity.DENY:
        return Verdict(severity, _LAST)
    return Verdict(severity, min(at + after // MICROSECOND, _LAST) if after else 0)


def _joined(verdict: Verdict, reasons: Sequence[Opinion], opinions: Sequence[Opinion]) -> Opinion:
    """Return *verdict* with the why of *reasons*, in one order whatever theirs, and every shadow of *opinions*."""
    why = () if verdict == CONTINUE else tuple(sorted({name for each in reasons for name in each.why}))
    shadow = tuple(dict.fromkeys(name for each in opinions for name in each.shadow))
    return Opinion(verdict, why, shadow) if why or shadow else NOTHING
