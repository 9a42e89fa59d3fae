"""Hypothesis strategies for interval policies and what they are made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from taskwarden.core.decision import Activity, IntervalState
from taskwarden.core.instant import FAR_FUTURE, FAR_PAST
from taskwarden.policies.intervals import Between, Coalesce, Cron, Each, Every, Jittered, Missed, Once, Skip
from taskwarden.policies.intervals.calendar import ever_matches
from taskwarden.policies.intervals.zone import zone_names

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from taskwarden.core.protocols import IntervalPolicy

__all__ = [
    "any_instants",
    "cron_expressions",
    "crons",
    "everys",
    "instants",
    "interval_policies",
    "interval_states",
    "missed_choices",
    "zones",
]

_LIVELY: Final = (
    # Spring and autumn, north and south; half an hour; at midnight; a day left out; in Ramadan; a negative summer time
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Europe/Dublin",
)
_SHORTEST: Final = timedelta(milliseconds=1)
_YEAR: Final = timedelta(days=366)


def instants(
    earliest: datetime = datetime(1980, 1, 1, tzinfo=UTC), latest: datetime = datetime(2060, 1, 1, tzinfo=UTC)
) -> SearchStrategy[datetime]:
    """Return instants in UTC from *earliest* to *latest*, by default those that a host may live to see."""
    naive = st.datetimes(earliest.replace(tzinfo=None), latest.replace(tzinfo=None))
    return naive.map(lambda instant: instant.replace(tzinfo=UTC))


def any_instants() -> SearchStrategy[datetime]:
    """Return instants in UTC of the whole calendar, its ends often."""
    ends = st.sampled_from([FAR_PAST, FAR_FUTURE]) | instants(FAR_FUTURE - _YEAR, FAR_FUTURE)
    return ends | instants(FAR_PAST, FAR_FUTURE)


def zones() -> SearchStrategy[str]:
    """Return names of zones, those whose clocks jump in interesting ways often."""
    return st.sampled_from(_LIVELY) | st.sampled_from(sorted(zone_names()))


@st.composite
def _field(draw: st.DrawFn, lo: int, hi: int) -> str:
    """Draw one field of a cron expression."""
    start = draw(st.integers(lo, hi))
    end = draw(st.integers(start, hi))
    step = draw(st.integers(1, hi - lo + 1))
    stepped = (f"*/{step}", f"{start}/{step}", f"{start}-{end}/{step}")
    return draw(st.sampled_from(("*", f"{start}", f"{start},{end}", f"{start}-{end}", *stepped)))


def cron_expressions() -> SearchStrategy[str]:
    """Return valid cron expressions that match some day."""
    often, day, month, weekday = st.just("*"), _field(1, 29), _field(1, 12), _field(0, 7)
    special = st.sampled_from(["L", "LW", "1-7", "29", "1,31"])
    nth = st.sampled_from(["MON", "MON#2", "5L", "SAT,SUN"])
    fields = (_field(0, 59), _field(0, 23), often | day | special, often | month, often | weekday | nth)
    return st.tuples(*fields).map(" ".join).filter(ever_matches)


def missed_choices() -> SearchStrategy[Missed]:
    """Return what may become of missed slots."""
    graces = st.timedeltas(timedelta(microseconds=1), timedelta(days=366))
    return st.just(Coalesce()) | graces.map(Skip) | st.integers(1, 100).map(Each)


def everys(shortest: timedelta = _SHORTEST, longest: timedelta = timedelta(days=3660)) -> SearchStrategy[Every]:
    """Return ``every`` policies with periods from *shortest* to *longest*."""
    return st.builds(
        Every,
        st.timedeltas(shortest, longest) | st.sampled_from([shortest, longest]),
        anchor=st.none() | any_instants(),
        immediately=st.booleans(),
        missed=missed_choices(),
    )


def crons() -> SearchStrategy[Cron]:
    """Return ``cron`` policies."""
    return st.builds(Cron, cron_expressions(), timezone=zones(), missed=missed_choices())


@st.composite
def _jittered(draw: st.DrawFn) -> Jittered:
    policy = draw(everys() | crons())
    return Jittered(policy, draw(st.timedeltas(timedelta(microseconds=1), policy.shortest)))


@st.composite
def _betweens(draw: st.DrawFn) -> Between:
    lo, hi = sorted(draw(st.lists(st.timedeltas(_SHORTEST, timedelta(days=3660)), min_size=2, max_size=2)))
    return Between(lo, hi)


def interval_policies() -> SearchStrategy[IntervalPolicy]:
    """Return interval policies of every kind that ships."""
    graces = st.none() | st.timedeltas(timedelta(microseconds=1), _YEAR)
    onces = st.builds(Once, any_instants(), grace=graces)
    return st.one_of(everys(), crons(), _jittered(), _betweens(), onces)


def interval_states() -> SearchStrategy[IntervalState]:
    """Return what interval policies may know of a task."""
    activities = st.none() | st.builds(Activity, st.integers(1, 10), any_instants())
    return st.builds(IntervalState, seed=st.integers(0, 2**63 - 1), activity=activities)
