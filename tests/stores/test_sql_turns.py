"""How a claim is shared out: in proportion, within what is allowed, the most urgent first, and nothing left behind."""

from __future__ import annotations

from collections import Counter, deque

import attrs
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.stores.sql.turns import Candidate, Share, share_out

KINDS = ("a", "b", "c")
ENOUGH = 10**6


@attrs.frozen
class Case:
    """A line, how much may be claimed, and how much of each kind."""

    line: list[Share]
    limit: int
    kind_room: dict[str, int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    numbers = iter(range(ENOUGH))
    line = []
    for place in range(draw(st.integers(0, 6))):
        tasks = draw(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(KINDS)), max_size=8))
        candidates = [Candidate(urgency, next(numbers), kind, place) for urgency, kind in tasks]
        weight = draw(st.integers(1, 4))
        line.append(Share(f"{place}", weight, draw(st.integers(0, 9)), draw(st.integers(0, weight)), candidates))
    room = draw(st.dictionaries(st.sampled_from(KINDS), st.integers(0, 6)))
    return Case(line, draw(st.integers(1, 20)), room)


@given(cases())
def test_nobody_starts_more_than_its_room_the_kinds_and_the_claims(case: Case) -> None:
    rooms, kinds = {share.tenant: share.room for share in case.line}, dict(case.kind_room)

    chosen = share_out(case.line, case.limit, case.kind_room)

    assert len(chosen) <= case.limit
    for share in case.line:
        assert len(share.chosen) == rooms[share.tenant] - share.room <= rooms[share.tenant]
    by_kind = Counter(candidate.kind for candidate in chosen)
    for kind, room in kinds.items():
        assert by_kind[kind] == room - case.kind_room[kind] <= room


@given(cases())
def test_what_is_due_is_started_or_left_and_never_lost(case: Case) -> None:
    due = sorted(candidate for share in case.line for candidate in share.candidates)

    chosen = share_out(case.line, case.limit, case.kind_room)

    left = [candidate for share in case.line for candidate in (*share.candidates, *share.passed)]
    assert sorted(chosen + left) == due
    assert sorted(candidate for share in case.line for candidate in share.chosen) == sorted(chosen)


@given(cases())
def test_nothing_that_may_start_is_left_behind_while_there_is_room_in_the_claim(case: Case) -> None:
    chosen = share_out(case.line, case.limit, case.kind_room)

    if len(chosen) < case.limit:
        for share in case.line:
            for left in (*share.candidates, *share.passed):
                assert share.room == 0 or case.kind_room.get(left.kind, 1) == 0


@given(cases())
def test_within_a_tenant_the_most_urgent_start_first_but_for_those_of_full_kinds(case: Case) -> None:
    share_out(case.line, case.limit, case.kind_room)

    for share in case.line:
        assert share.chosen == sorted(share.chosen)
        for taken in share.chosen:
            for left in (*share.candidates, *share.passed):
                assert taken < left or case.kind_room.get(left.kind, 1) == 0


@given(cases())
def test_who_has_had_its_turn_stands_at_the_end_and_who_has_not_keeps_its_place(case: Case) -> None:
    turns = {share.tenant: share.credit or share.weight for share in case.line}

    share_out(case.line, case.limit, case.kind_room)

    for share in case.line:
        assert (share.tail is not None) == (len(share.chosen) >= turns[share.tenant])
        assert 0 <= share.credit <= share.weight
    tails = [share.tail for share in case.line if share.tail is not None]
    assert len(set(tails)) == len(tails)


@given(
    weights=st.lists(st.integers(1, 5), min_size=2, max_size=6),
    limits=st.lists(st.integers(1, 12), min_size=1, max_size=20),
)
def test_turns_are_in_proportion_to_weights_within_one_round_at_every_instant(
    weights: list[int], limits: list[int]
) -> None:
    line = [(f"{place}", weight, 0) for place, weight in enumerate(weights)]
    numbers = iter(range(ENOUGH))
    served = Counter[str]()
    of = dict(enumerate(weights))
    for limit in limits:
        shares = []
        for tenant, weight, credit in line:
            candidates = [Candidate(0, next(numbers), "a", int(tenant)) for _ in range(limit)]
            shares.append(Share(tenant, weight, ENOUGH, credit, candidates))

        for taken in share_out(shares, limit, {}):
            served[f"{taken.lane}"] += 1
            rounds = min(served[f"{place}"] // weight for place, weight in of.items())
            for place, weight in of.items():
                assert served[f"{place}"] <= (rounds + 1) * weight

        waiting = deque(share for share in shares if share.tail is None)
        waiting.extend(sorted((share for share in shares if share.tail is not None), key=lambda it: it.tail or 0))
        line = [(share.tenant, share.weight, share.credit) for share in waiting]
    assert served.total() == sum(limits)
