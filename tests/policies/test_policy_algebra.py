"""P34 to P36: the laws of the algebra, hot reload, and that every why is true."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.decision import OpenIncident, Silent
from taskwarden.core.failure import Failure
from taskwarden.core.health import HEALTHY, LARGEST_HEALTH, Phase
from taskwarden.core.instant import FAR_FUTURE
from taskwarden.errors import InvalidValue
from taskwarden.policies import (
    Code,
    Consecutive,
    Detector,
    Facts,
    Rule,
    Sequential,
    Severity,
    Silence,
    TaskPolicy,
    Verdict,
    Window,
    all_of,
    any_of,
    cap,
    cool,
    deny,
    first,
    fold,
    park,
    shadow,
    standard,
    wait,
    when,
)
from taskwarden.policies.composition import AllOf, AnyOf, First
from taskwarden.policies.verdict import CONTINUE
from taskwarden.testing.strategies import History, detectors, histories, rules, transient_failures
from tests.policies.cases import DAY, HOUR, MINUTE, NOON, OK, TIMEOUT, Task, decisions, failed, ran

LEAVES = tuple(Consecutive(n) for n in range(1, 6))
some_rules = rules(st.sampled_from(LEAVES))
facts = st.builds(
    Facts,
    transient_failures() | st.just(Failure("auth_error.expired")),
    st.just(10**15),
    st.frozensets(st.sampled_from([leaf.name for leaf in LEAVES])),
)
silent = cap(Consecutive(1), Severity.CONTINUE)


def says(rule: Rule, seen: Facts) -> Verdict:
    return rule.judge(seen).verdict


@given(some_rules, some_rules, some_rules, facts)
def test_p34_or_and_and_are_the_join_and_meet_of_a_distributive_lattice(a: Rule, b: Rule, c: Rule, seen: Facts) -> None:
    assert says(a | b, seen) == says(b | a, seen)
    assert says(a & b, seen) == says(b & a, seen)
    assert says((a | b) | c, seen) == says(a | (b | c), seen)
    assert says((a & b) & c, seen) == says(a & (b & c), seen)
    assert says(a | a, seen) == says(a & a, seen) == says(a, seen)
    assert says(a | (a & b), seen) == says(a & (a | b), seen) == says(a, seen)
    assert says(a & (b | c), seen) == says((a & b) | (a & c), seen)


@given(some_rules, facts)
def test_p34_continue_is_the_unit_of_or_and_deny_that_of_and(a: Rule, seen: Facts) -> None:
    assert says(silent, seen) == CONTINUE
    assert says(a | silent, seen) == says(a & deny(), seen) == says(a, seen)
    assert says(a & silent, seen) == CONTINUE
    assert says(a | deny(), seen) == says(deny(), seen)


@given(some_rules, some_rules, some_rules, facts)
def test_p34_first_is_associative_and_takes_the_first_that_says_anything(
    a: Rule, b: Rule, c: Rule, seen: Facts
) -> None:
    assert says(first(first(a, b), c), seen) == says(first(a, first(b, c)), seen)
    assert says(first(silent, a), seen) == says(first(a, silent), seen) == says(a, seen)
    if says(a, seen) != CONTINUE:
        assert first(a, b).judge(seen)[:2] == a.judge(seen)[:2]


@given(some_rules, some_rules, facts)
def test_p34_when_distributes_over_or(a: Rule, b: Rule, seen: Facts) -> None:
    guard = Code("network_error")

    assert says(when(guard, a | b), seen) == says(when(guard, a) | when(guard, b), seen)
    assert says(when(guard, a), seen) == (says(a, seen) if seen.failure.code.startswith("network_error") else CONTINUE)


@given(some_rules, some_rules, facts, st.sampled_from([*Severity]))
def test_p34_cap_is_the_mildest_of_rule_and_rung_and_keeps_the_time(
    a: Rule, b: Rule, seen: Facts, rung: Severity
) -> None:
    said, capped = says(a, seen), says(cap(a, rung), seen)

    assert capped.severity == min(said.severity, rung)
    denied = said.severity is Severity.DENY and capped != said
    named = 0 if denied or not capped.severity else said.at
    assert capped.at == named
    assert says(cap(a | b, rung), seen).severity == says(cap(a, rung) | cap(b, rung), seen).severity


@given(some_rules, facts)
def test_p34_why_is_empty_exactly_where_a_rule_says_nothing(a: Rule, seen: Facts) -> None:
    opinion = a.judge(seen)

    assert (opinion.why == ()) == (opinion.verdict == CONTINUE)


@given(rules(max_leaves=2), rules(max_leaves=2), histories(max_size=12))
def test_p34_a_rule_in_shadow_changes_no_decision(a: Rule, b: Rule, history: History) -> None:
    for one, other in zip(
        decisions(TaskPolicy(shadow(a) | b), history), decisions(TaskPolicy(b), history), strict=True
    ):
        assert [getattr(one, name) for name in ("next_at", "settles", "counts_attempt", "effects", "why")] == [
            getattr(other, name) for name in ("next_at", "settles", "counts_attempt", "effects", "why")
        ]
        kept = one.health.detectors.items() & other.health.detectors.items()
        assert attrs.evolve(one.health, detectors={}) == attrs.evolve(other.health, detectors={})
        assert dict(kept) == other.health.detectors


def test_a_decision_tells_what_a_rule_in_shadow_would_have_said() -> None:
    task = Task(standard() | shadow(park(Consecutive(2))))

    assert task.give(TIMEOUT).shadow == ()
    assert task.give(TIMEOUT).shadow == ("park:consecutive(2,0s)",)
    assert task.phase is Phase.BACKING_OFF


def test_shadows_are_reported_from_within_every_form() -> None:
    seen = Facts(Failure("unknown"), 0, frozenset(leaf.name for leaf in LEAVES))
    trial = shadow(LEAVES[0])
    forms = [any_of(LEAVES[1], trial), all_of(LEAVES[1], trial), first(trial, LEAVES[1]), park(trial), shadow(trial)]
    capped = [cap(trial, Severity.COOL), when(Code("unknown"), trial), cool(LEAVES[1] | trial)]

    assert {form.judge(seen).shadow for form in forms + capped} == {("cool:consecutive(1,0s)",)}


@given(some_rules, some_rules, some_rules)
def test_association_makes_no_difference_to_equality_or_repr(a: Rule, b: Rule, c: Rule) -> None:
    assert (a | b) | c == a | (b | c)
    assert repr((a & b) & c) == repr(a & (b & c))


@given(st.lists(detectors(), min_size=2, max_size=3, unique_by=lambda each: each.name), histories(max_size=12))
def test_p35_adding_or_reordering_rules_resets_nobody_and_removing_drops_only_its_own(
    some: list[Detector], history: History
) -> None:
    one, *others = some
    before = fold(TaskPolicy(any_of(*others)), history)
    now = before.high_water or NOON
    added = TaskPolicy(any_of(one, *reversed(others))).decide(before, ran(TIMEOUT, before, now), now).health
    alone = TaskPolicy(any_of(*others)).decide(before, ran(TIMEOUT, before, now), now).health

    assert {name: state for name, state in added.detectors.items() if name != one.name} == alone.detectors
    removed = TaskPolicy(any_of(*others)).decide(added, ran(OK, added, now), now).health
    if removed.phase is Phase.HEALTHY:
        passed = TaskPolicy(any_of(*others)).decide(alone, ran(OK, alone, now), now).health
        assert removed.detectors == passed.detectors


@given(rules(max_leaves=3), histories())
def test_p35_reloading_an_equal_policy_is_no_change(rule: Rule, history: History) -> None:
    reloaded = TaskPolicy(rule)
    assert reloaded == TaskPolicy(rule)
    assert repr(reloaded) == repr(TaskPolicy(rule))

    assert decisions(reloaded, history) == decisions(TaskPolicy(rule), history)


def test_p35_a_steady_task_drops_the_state_of_a_rule_that_is_gone() -> None:
    health = attrs.evolve(HEALTHY, detectors={"gone": (1, 2), "consecutive(3,0s)": (1, 5)})

    assert TaskPolicy(Consecutive(3)).decide(health, ran(OK, health, NOON), NOON).health.detectors == {}
    health = attrs.evolve(HEALTHY, detectors={"gone": (1, 2)})
    assert standard().decide(health, ran(OK, health, NOON), NOON).health.detectors == {}


def silenced(rule: Any, name: str) -> Rule:
    """Return *rule* with the leaf *name* saying nothing."""
    if isinstance(rule, AnyOf | AllOf | First):
        return attrs.evolve(rule, rules=tuple(silenced(each, name) for each in rule.rules))
    if hasattr(rule, "rule"):
        return attrs.evolve(rule, rule=silenced(rule.rule, name))  # type: ignore[no-any-return]
    said = rule.judge(Facts(Failure("unknown"), 0, frozenset([name]))).why
    return cap(rule, Severity.CONTINUE) if name in said else rule


@given(rules(max_leaves=4), histories(max_size=15), st.data())
def test_p36_a_rule_that_is_not_in_why_may_be_silenced_without_changing_the_decision(
    rule: Rule, history: History, data: st.DataObject
) -> None:
    health = fold(TaskPolicy(rule), history)
    now = health.high_water or NOON
    event = ran(TIMEOUT, health, now)
    decision = TaskPolicy(rule).decide(health, event, now)
    idle = [each.name for each in rule.detectors() if each.name not in decision.why]
    if not idle:
        return
    without = TaskPolicy(silenced(rule, data.draw(st.sampled_from(idle)))).decide(health, event, now)

    assert (without.next_at, without.health.phase, without.effects) == (
        decision.next_at,
        decision.health.phase,
        decision.effects,
    )


@given(rules(max_leaves=3), histories())
def test_p36_every_decision_that_does_not_just_go_on_says_why(rule: Rule, history: History) -> None:
    health = HEALTHY
    for now, event in history:
        decision = TaskPolicy(rule).decide(health, event, now)
        just_goes_on = decision.settles and decision.next_at is None and decision.health.phase is health.phase
        if not just_goes_on and not isinstance(event, Silent):
            assert decision.why
        health = decision.health


@given(rules(max_leaves=3), histories())
def test_p36_no_task_is_held_without_an_incident_and_a_notice(rule: Rule, history: History) -> None:
    health = HEALTHY
    for now, event in history:
        decision = TaskPolicy(rule).decide(health, event, now)
        newly_cool = decision.health.phase is Phase.COOLING_OFF and health.phase in (Phase.HEALTHY, Phase.BACKING_OFF)
        newly_parked = decision.health.phase is Phase.NEEDS_INTERVENTION is not health.phase
        if newly_cool or newly_parked:
            assert {"OpenIncident", "Notify"} <= {type(effect).__name__ for effect in decision.effects}
        health = decision.health


def test_a_policy_takes_further_rules_by_the_operators() -> None:
    stricter = standard() | Consecutive(2)
    milder = standard() & Consecutive(9)

    assert Task(stricter).give(TIMEOUT, TIMEOUT).health.phase is Phase.COOLING_OFF
    assert Task(milder).give(*[TIMEOUT] * 8).health.phase is Phase.BACKING_OFF
    for join in ("__or__", "__and__"):
        assert getattr(standard(), join)("rule") is NotImplemented
        assert getattr(Consecutive(), join)("rule") is NotImplemented


def test_a_rule_may_be_about_some_codes_only() -> None:
    policy = TaskPolicy(Sequential() | when(Code("auth_error"), park(Consecutive(2))))

    assert Task(policy).give(TIMEOUT, TIMEOUT).health.phase is Phase.BACKING_OFF
    assert Task(policy).give(TIMEOUT, failed("auth_error.expired")).health.phase is Phase.NEEDS_INTERVENTION


def test_wait_puts_off_a_retry_and_trips_nothing() -> None:
    decision = Task(TaskPolicy(when(Code("api_limit"), wait(HOUR)))).give(failed("api_limit.rate"))

    assert (decision.next_at, decision.health.phase) == (NOON + HOUR, Phase.BACKING_OFF)
    assert decision.why == ("retry_at(1:00:00)", "backoff")


def test_cool_puts_off_the_first_probe() -> None:
    assert Task(TaskPolicy(cool(Consecutive(1), 2 * DAY))).give(TIMEOUT).next_at == NOON + 2 * DAY


def test_deny_runs_nothing_until_somebody_intervenes() -> None:
    decision = Task(TaskPolicy(deny(Consecutive(1)))).give(TIMEOUT)

    assert (decision.health.phase, decision.next_at) == (Phase.NEEDS_INTERVENTION, FAR_FUTURE)


def test_the_first_rule_that_matches_decides_as_in_an_ordered_table() -> None:
    table = first(
        when(Code("config_error"), park(Consecutive(1))), when(Code("network_error"), wait(MINUTE)), Consecutive(2)
    )
    phases = [Task(TaskPolicy(table)).give(failed(code)).health.phase for code in ("config_error.x", "network_error.x")]

    assert phases == [Phase.NEEDS_INTERVENTION, Phase.BACKING_OFF]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (any_of, "any_of"),
        (all_of, "all_of"),
        (first, "first"),
        (Code, "codes"),
        (lambda: Code(""), "codes"),
        (lambda: any_of("rule"), "rule"),  # type: ignore[arg-type]
        (lambda: when("auth", Consecutive()), "predicate"),  # type: ignore[arg-type]
        (lambda: wait(timedelta(0)), "after"),
        (lambda: cool(Consecutive(), -MINUTE), "after"),
        (lambda: TaskPolicy("rules"), "rules"),  # type: ignore[arg-type]
        (lambda: TaskPolicy(Consecutive(), recovery=0), "recovery"),
        (lambda: TaskPolicy(Consecutive(), hold=timedelta(0)), "hold"),
        (lambda: TaskPolicy(Consecutive(), courtesy=-DAY), "courtesy"),
        (lambda: TaskPolicy(Consecutive(), confirm_after=-DAY), "confirm_after"),
        (lambda: TaskPolicy(Consecutive(), relapse=None), "relapse"),  # type: ignore[arg-type]
    ],
)
def test_senseless_rules_are_refused_and_named(make: Any, name: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        make()

    assert caught.value.name == name


def test_p6_a_composite_that_might_outgrow_a_kibibyte_is_refused_when_it_is_made() -> None:
    with pytest.raises(InvalidValue, match=f"at most {LARGEST_HEALTH} bytes"):
        TaskPolicy(Window(60, DAY))


@given(st.timedeltas(timedelta(0), 30 * DAY))
def test_silence_opens_one_incident_once_its_grace_is_exceeded(lasted: timedelta) -> None:
    task = Task(TaskPolicy(Sequential() | Silence(DAY)))
    task.now = NOON + lasted
    event = Silent(NOON, 0, 7)

    decision = task.tell(event)

    assert (decision.next_at, decision.settles, task.phase) == (None, False, Phase.HEALTHY)
    assert decision.why == (("silence(1d)",) if lasted > DAY else ())
    assert [type(effect).__name__ for effect in decision.effects] == (
        ["OpenIncident", "Notify"] if decision.why else []
    )
    assert task.tell(event).effects == ()


def test_the_next_run_ends_a_silence() -> None:
    task = Task(TaskPolicy(Silence(DAY)), now=NOON + 2 * DAY)
    opened = task.tell(Silent(NOON, 0, 7)).effects[0]

    resolved = task.give(TIMEOUT).effects[0]

    assert isinstance(opened, OpenIncident)
    assert opened.key == resolved.key  # type: ignore[union-attr]
    assert task.give(OK).effects == ()


@pytest.mark.parametrize("rule", [shadow(Silence(DAY)), Consecutive(1) & Silence(DAY), wait(DAY)])
def test_a_silence_speaks_only_where_its_rules_let_it(rule: Rule) -> None:
    task = Task(TaskPolicy(rule), now=NOON + 9 * DAY)

    assert task.tell(Silent(NOON, 0, 7)).effects == ()


def test_a_silence_of_an_older_epoch_counts_for_nothing() -> None:
    health = attrs.evolve(HEALTHY, epoch=2)

    decision = TaskPolicy(Silence(DAY)).decide(health, Silent(NOON, 1), NOON + 9 * DAY)

    assert (decision.health, decision.why) == (health, ("fenced.epoch",))
