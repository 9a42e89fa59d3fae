"""Interval policies as plain data."""

import json
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given

from taskwarden.core.decision import IntervalState, Planned
from taskwarden.core.outcome import JSON, Outcome
from taskwarden.core.protocols import IntervalPolicy
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals import Each, between, cron, every, from_data, jittered, once, to_data
from taskwarden.testing.schedules import interval_policies

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@given(interval_policies())
def test_a_policy_survives_storage_as_json(policy: IntervalPolicy) -> None:
    restored = from_data(json.loads(json.dumps(to_data(policy))))

    assert (restored, repr(restored)) == (policy, repr(policy))


@pytest.mark.parametrize(
    ("policy", "data"),
    [
        (every(minutes=15), {"every": {"period": 900_000_000}}),
        (
            every(days=1, anchor=NOON, immediately=True, missed=Each(5)),
            {
                "every": {
                    "period": 86_400_000_000,
                    "anchor": "2026-11-24T12:00:00+00:00",
                    "immediately": True,
                    "missed": {"each": {"limit": 5}},
                }
            },
        ),
        (cron("0 9 * * mon"), {"cron": {"expression": "0 9 * * MON"}}),
        (once(NOON), {"once": {"at": "2026-11-24T12:00:00+00:00"}}),
        (between(), {"between": {}}),
        (
            jittered(cron("0 0 * * *", "Europe/Berlin"), timedelta(seconds=1)),
            {
                "jittered": {
                    "policy": {"cron": {"expression": "0 0 * * *", "timezone": "Europe/Berlin"}},
                    "within": 1_000_000,
                }
            },
        ),
    ],
    ids=repr,
)
def test_the_format_is_stable(policy: IntervalPolicy, data: JSON) -> None:
    assert to_data(policy) == data


@attrs.frozen
class Own:
    """A policy of the host's own."""

    grace: timedelta | None = None

    def next(self, slot: datetime | None, state: IntervalState, outcome: Outcome | None, now: datetime) -> Planned:
        return Planned(None)


def test_a_policy_of_the_hosts_own_is_refused_with_where_to_set_it_instead() -> None:
    with pytest.raises(InvalidValue, match="set it as the executor's schedule"):
        to_data(Own())


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (None, "schedule must be an object with one key of between, cron, every, jittered, once"),
        ({}, "schedule must be"),
        ({"every": {}, "once": {}}, "schedule must be"),
        ({"yearly": {}}, "schedule must have one key of"),
        ({"every": {}}, "schedule.every must have every argument without a default"),
        ({"every": []}, "schedule.every must be an object with keys of period, anchor"),
        ({"every": {"minutes": 15}}, "schedule.every must be an object with keys of period, anchor"),
        ({"every": {"period": 0}}, "schedule.every: period must be at least"),
        ({"every": {"period": 0.5}}, "schedule.every.period must be a whole number"),
        ({"every": {"period": True}}, "schedule.every.period must be a whole number"),
        ({"every": {"period": None}}, "schedule.every: period must be a timedelta"),
        ({"every": {"period": 10**40}}, "schedule.every.period must be a span"),
        ({"every": {"period": 10**6, "immediately": 1}}, "schedule.every: immediately must be"),
        ({"every": {"period": 10**6, "anchor": 3}}, "schedule.every.anchor must be an instant"),
        ({"every": {"period": 10**6, "anchor": "soon"}}, "schedule.every.anchor must be an instant"),
        ({"every": {"period": 10**6, "anchor": "2026-01-01"}}, "schedule.every: anchor must be aware"),
        ({"every": {"period": 10**6, "missed": None}}, "schedule.every.missed must be an object"),
        ({"every": {"period": 10**6, "missed": {"coalesce": {"x": 1}}}}, "schedule.every.missed.coalesce must be"),
        ({"every": {"period": 10**6, "missed": {"each": {"limit": 101}}}}, "schedule.every.missed.each: limit must be"),
        ({"every": {"period": 10**6, "missed": {"skip": {"grace": "1 h"}}}}, "schedule.every.missed.skip.grace must"),
        ({"cron": {"expression": "61 * * * *"}}, "schedule.cron: cron expression must be valid"),
        ({"cron": {"expression": "0 0 * * *", "timezone": "Mars"}}, "schedule.cron: timezone must be a zone"),
        ({"jittered": {"policy": {"once": {"at": "2026-01-01T00:00Z"}}, "within": 5}}, "schedule.jittered: policy"),
        ({"jittered": {"policy": "every", "within": 5}}, "schedule.jittered.policy must be an object"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_path(data: JSON, path: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        from_data(data)

    assert str(refused.value).startswith(path)
