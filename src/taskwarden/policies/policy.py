"""The failure policy of one task at a time: rules that say when enough is enough, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from taskwarden.core.decision import Decision, Ran, Trigger
from taskwarden.core.health import CALM, LARGEST_HEALTH, Health, Phase, Trouble, encode
from taskwarden.core.instant import FAR_PAST, span
from taskwarden.core.outcome import Succeeded
from taskwarden.errors import InvalidValue
from taskwarden.policies.backoff import STEP_LIMIT
from taskwarden.policies.composition import Rule, all_of, any_of
from taskwarden.policies.decision import decided
from taskwarden.policies.draft import MOST_STREAK
from taskwarden.policies.measure import derive
from taskwarden.policies.verdict import NOTHING, Facts, Opinion

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskwarden.core.decision import Event
    from taskwarden.policies.detectors import Detector, State

__all__ = ["TaskPolicy"]

States: TypeAlias = "Mapping[str, State]"
_Fails: TypeAlias = "Callable[[State, int], State]"
_Trips: TypeAlias = "Callable[[State, int], bool]"

_ZERO: Final = timedelta(0)
_MOST_BITS_63: Final = (1 << 63) - 1
_NO_STATE: Final[State] = ()
_NONE: Final[frozenset[str]] = frozenset()
# An enum's members, by a global name: looking one up on its class takes ten times as long.
_HEALTHY, _MANUAL = Phase.HEALTHY, Trigger.MANUAL


@attrs.frozen(kw_only=True)
class TaskPolicy:
    """
    A failure policy (``core.protocols.FailurePolicy``) made of rules.

    A pure, immutable value. ``policy | rule`` and ``policy & rule`` join a rule to its rules. Its memory of a task is
    bounded; one that might outgrow 1 KiB is refused when it is made.

    Args:
        rules: What trips. All failures count, whatever their code, but for the host's own (``unknown.internal...``).
        recovery: How many successes in a row end a trip; then all is forgiven.
        confirm_after: A definitive failure is believed if the same cause is seen again, this much later.
        courtesy: How long after a confirmed definitive failure one run may see whether it is over; None: never.
        hold: How long a task that needs intervention waits for its next probe; None: as the delays grow, at most the
            period or 24 h, whichever is longer.
        relapse: A failure this soon after a recovery goes on from half of the delays' former step.
    """

    rules: Rule = attrs.field(kw_only=False)
    recovery: int = 2
    confirm_after: timedelta = timedelta(minutes=5)
    courtesy: timedelta | None = timedelta(days=7)
    hold: timedelta | None = None
    relapse: timedelta = timedelta(hours=24)
    _watched: Mapping[str, Detector] = attrs.field(init=False, repr=False, eq=False)
    _passing: tuple[tuple[str, Callable[[State], State]], ...] = attrs.field(init=False, repr=False, eq=False)
    _failing: tuple[tuple[str, _Fails, _Trips], ...] = attrs.field(init=False, repr=False, eq=False)
    _waits: bool = attrs.field(init=False, repr=False, eq=False)
    _counts: bool = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.rules, Rule):
            raise InvalidValue("rules", self.rules, "must be a rule", "for example Sequential() or Consecutive(3)")
        if type(self.recovery) is not int or not 1 <= self.recovery <= 100:
            raise InvalidValue("recovery", self.recovery, "must be a whole number of 1 to 100")
        span(self.confirm_after, "confirm_after", lo=_ZERO)
        span(self.relapse, "relapse", lo=_ZERO)
        for name in ("courtesy", "hold"):
            if getattr(self, name) is not None:
                span(getattr(self, name), name)
        watched = {detector.name: detector for detector in self.rules.detectors()}
        passing = tuple((name, each.passed) for name, each in watched.items())
        failing = tuple((name, each.failed, each.trips) for name, each in watched.items())
        counts = any(passed(_NO_STATE) for _, passed in passing)  # successes, too, from the first one on
        derive(self, _watched=watched, _passing=passing, _failing=failing, _waits=self.rules.waits, _counts=counts)
        size = len(encode(_largest(watched)))
        if size > LARGEST_HEALTH:
            rule = f"must remember at most {LARGEST_HEALTH} bytes of a task, and might need {size}"
            raise InvalidValue("rules", self.rules, rule, "use fewer detectors, or smaller windows")

    def __or__(self, rule: object) -> TaskPolicy:
        return attrs.evolve(self, rules=any_of(self.rules, rule)) if isinstance(rule, Rule) else NotImplemented

    def __and__(self, rule: object) -> TaskPolicy:
        return attrs.evolve(self, rules=all_of(self.rules, rule)) if isinstance(rule, Rule) else NotImplemented

    def decide(self, health: Health, event: Event, now: datetime) -> Decision:
        """Return what follows *event*: see ``core.protocols.FailurePolicy.decide``."""
        if (
            type(event) is Ran
            and type(event.outcome) is Succeeded
            and health.trouble is CALM
            and health.phase is _HEALTHY
            and health.floor is None
            and event.token > health.last_token
            and event.epoch >= health.epoch
            and event.trigger is not _MANUAL
            and (health.high_water is None or health.high_water <= now)
        ):
            # Nothing is wrong, and nothing was: nearly every decision there is. The long way comes to the same.
            states, epoch, at = health.detectors, health.epoch, event.planned_at
            if states or self._counts:
                states = self.passed(states)
            return Decision(Health(_HEALTHY, epoch, event.token, now, at, None, 0, 0, states, CALM, health.extra))
        return decided(self, health, event, now)

    @property
    def watched(self) -> Mapping[str, Detector]:
        """The detectors of the rules, by name, each once."""
        return self._watched

    def passed(self, states: States) -> States:
        """Return the detectors' *states* after a success; the same object where nothing changes."""
        for name, passed in self._passing:
            state = states.get(name, _NO_STATE)
            if passed(state) is not state:
                break
        else:
            if not states or states.keys() <= self._watched.keys():
                return states
        return self._stepped(states, lambda detector, state: detector.passed(state))

    def failed(self, states: States, at: int) -> tuple[States, frozenset[str]]:
        """Return the detectors' *states* after a failure at *at*, and the names of those that trip."""
        after: dict[str, State] = {}
        tripped: list[str] = []
        for name, failed, trips in self._failing:
            state = failed(states.get(name, _NO_STATE), at)
            if state:
                after[name] = state
                if trips(state, at):
                    tripped.append(name)
        return after, frozenset(tripped) if tripped else _NONE

    def judge(self, facts: Facts) -> Opinion:
        """Return what the rules say; they are not asked where they cannot say anything."""
        return NOTHING if self._waits and not facts.tripped else self.rules.judge(facts)

    def rebased(self, states: States, at: int) -> States:
        """Return the detectors' *states* without times after *at*."""
        return self._stepped(states, lambda detector, state: detector.rebased(state, at))

    def _stepped(self, states: States, step: Callable[[Detector, State], State]) -> States:
        # States of detectors that the rules no longer have are left behind here.
        stepped = {name: step(each, states.get(name, _NO_STATE)) for name, each in self._watched.items()}
        return {name: state for name, state in stepped.items() if state}


def _largest(watched: Mapping[str, Detector]) -> Health:
    """Return a health that none outgrows once encoded: no instant has more characters than the first one."""
    return Health(
        phase=Phase.NEEDS_INTERVENTION,
        epoch=_MOST_BITS_63,
        last_token=_MOST_BITS_63,
        high_water=FAR_PAST,
        next_at=FAR_PAST,
        floor=FAR_PAST,
        streak=MOST_STREAK,
        step=STEP_LIMIT,
        detectors={name: each.largest() for name, each in watched.items()},
        trouble=Trouble(
            since=FAR_PAST,
            successes=100,
            suspect=_MOST_BITS_63,
            suspect_at=FAR_PAST,
            definitive=True,
            told=True,
            lost=2,
            silent_since=FAR_PAST,
            relapse_until=FAR_PAST,
            relapse_step=STEP_LIMIT,
        ),
    )
