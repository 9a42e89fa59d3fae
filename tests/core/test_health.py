"""The text of a health: exact both ways, tolerant of newer versions, and refusing rubbish."""

import json
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.health import CALM, CLOCK_FAULT, HEALTHY, Health, Phase, Trouble, decode, encode
from taskwarden.core.instant import FAR_FUTURE, FAR_PAST
from taskwarden.errors import InvalidValue
from taskwarden.testing.schedules import any_instants

naturals = st.integers(0, 2**63 - 1)
moments = st.none() | any_instants()
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
troubles = st.builds(
    Trouble,
    since=moments,
    successes=naturals,
    suspect=naturals,
    suspect_at=moments,
    definitive=st.booleans(),
    told=st.booleans(),
    lost=naturals,
    silent_since=moments,
    relapse_until=moments,
    relapse_step=naturals,
)
any_health = st.builds(
    Health,
    phase=st.sampled_from(Phase),
    epoch=naturals,
    last_token=naturals,
    high_water=moments,
    next_at=moments,
    floor=moments,
    streak=naturals,
    step=naturals,
    detectors=st.dictionaries(names, st.lists(st.integers()).map(tuple), max_size=3),
    trouble=st.just(CALM) | troubles,
    extra=st.dictionaries(st.sampled_from(["zz", "zy"]), st.integers() | st.text() | st.lists(st.none())),
)


@given(any_health)
def test_p5_decoding_what_was_encoded_gives_an_equal_health(health: Health) -> None:
    text = encode(health)

    assert text.isascii()
    assert decode(text) == health
    assert encode(decode(text)) == text


@given(any_health)
def test_a_task_that_is_well_is_encoded_as_any_other(health: Health) -> None:
    well = attrs.evolve(health, phase=Phase.HEALTHY, trouble=CALM, detectors={}, extra={})
    text = encode(attrs.evolve(well, extra={"zz": 1}))  # what a newer version wrote is encoded the long way

    assert text.replace(',"zz":1', "") == encode(well)


def test_the_health_of_a_task_that_never_ran_is_a_few_bytes() -> None:
    assert encode(HEALTHY) == '{"v":1}'
    assert decode('{"v":1}') == HEALTHY
    assert decode("{}").trouble is CALM


@given(any_health, st.integers(2, 9), st.dictionaries(st.sampled_from(["za", "zb"]), st.integers()))
def test_p7_a_newer_versions_fields_and_number_are_carried_unchanged(
    health: Health, version: int, fields: dict[str, Any]
) -> None:
    stored = json.loads(encode(health)) | fields | {"v": version}

    assert json.loads(encode(decode(json.dumps(stored)))) == stored


def test_p7_an_older_versions_text_without_newer_fields_loads_with_their_defaults() -> None:
    assert decode('{"p":"backing_off","k":7}') == attrs.evolve(HEALTHY, phase=Phase.BACKING_OFF, last_token=7)


def test_the_frozen_text_of_version_1_loads_as_it_was_written() -> None:
    text = (
        '{"at":1,"c":5,"ca":2,"d":{"consecutive(3,0s)":[2,3]},"e":4,"f":6,"fl":7,"hw":8,"k":9,"l":1,"n":2,"o":1,'
        '"p":"probing","q":10,"rs":3,"ru":11,"s":5,"v":1,"w":1,"x":1}'
    )

    health = decode(text)

    assert encode(health) == text
    assert (health.phase, health.epoch, health.last_token, health.streak, health.step) == (Phase.PROBING, 4, 9, 2, 5)
    assert health.trouble[1:3] == (1, 5)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "7", "null", '"x"', "[" * 100_000, '{"p":"asleep"}', '{"k":"7"}', '{"k":true}', '{"hw":1.5}'),
        *('{"d":[]}', '{"d":{"a":7}}', '{"d":{"a":["1"]}}', '{"d":{"a":[true]}}'),
    ],
)
def test_text_that_is_no_health_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="must be the text of an encoded health"):
        decode(text)


@given(st.integers())
def test_instants_beyond_the_calendar_are_held_at_its_ends(micros: int) -> None:
    health = decode(json.dumps({"hw": micros}))

    assert health.high_water is not None
    assert FAR_PAST <= health.high_water <= FAR_FUTURE


@given(any_instants(), st.timedeltas(timedelta(0), timedelta(days=8)), st.timedeltas(timedelta(0), timedelta(days=99)))
def test_a_floor_set_while_the_clock_was_ahead_moves_back_with_it(
    mark: datetime, ahead: timedelta, back: timedelta
) -> None:
    mark = min(max(mark, FAR_PAST + timedelta(days=99)), FAR_FUTURE - timedelta(days=8))
    health = Health(high_water=mark, floor=mark + ahead)
    now = mark - back

    wrong = back > CLOCK_FAULT
    assert health.floor_at(now) == ((now + ahead if ahead else None) if wrong else health.floor)
    assert Health(high_water=mark).floor_at(now) is None
    assert Health(floor=mark).floor_at(now) == mark
