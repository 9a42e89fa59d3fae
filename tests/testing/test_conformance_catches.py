"""The conformance suite can fail: for each promise that a store breaks, the test named after it does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from taskwarden.core.protocols import Store
from taskwarden.testing.clock import VirtualClock
from taskwarden.testing.conformance import StoreConformance
from tests.stores.toy_ledger import Ledger
from tests.stores.toy_store import ToyStore
from tests.testing import broken_stores as broken

PLANTED: list[tuple[type[ToyStore], str, dict[str, object]]] = [
    (broken.IgnoresTokens, "a_completion_whose_token_is_stale_writes_nothing", {}),
    (broken.IgnoresEpochs, "an_overruled_completion_leaves_what_the_operator_set", {}),
    (broken.StopsAtTheFirstRefusal, "a_refused_item_does_not_spoil_its_batch", {}),
    (broken.CompletesTwice, "a_completion_that_is_sent_again_is_refused", {}),
    (broken.ForgetsTheFeed, "the_feed_tells_of_each_completion_once", {}),
    (broken.CountsWhatItRefuses, "tallies_equal_a_recount_of_all_runs", {"seed": 0}),
    (broken.RefusesLateCompletions, "a_late_completion_whose_token_is_current_is_accepted", {}),
    (broken.ConsumesSlotsByHand, "a_manual_run_consumes_no_slot", {}),
    (broken.ForgetsInterruptedRequests, "a_request_stands_again_if_its_run_was_interrupted", {}),
    (broken.ReleasesNobody, "the_release_is_in_the_upstreams_own_write", {}),
    (broken.TellsNotWhoRuns, "what_a_task_shows_fits_its_state", {"seed": 0}),
    (broken.MovesAsItLikes, "a_task_moves_only_as_the_lifecycle_table_says", {"seed": 0}),
    (broken.ReleasesOnAnything, "failures_and_neutral_ends_release_nobody", {}),
    (broken.AppliesEffectsOfTheOverruled, "an_overruled_completion_is_recorded_but_not_counted", {}),
    (broken.NeverDone, "a_task_without_a_further_slot_is_done", {}),
    (broken.ClaimsTwice, "a_claimed_task_is_in_no_other_claim", {}),
    (broken.ClaimsTwice, "no_task_is_ever_in_two_live_leases", {"seed": 0}),
    (broken.ReusesTokens, "each_claim_of_a_task_has_a_greater_token", {}),
    (broken.MostUrgentLast, "within_a_tenant_the_least_urgency_goes_first", {"world": 0}),
    (broken.NeverAges, "waiting_raises_priority_by_a_level_for_each_aging", {}),
    (broken.KnowsNoTurns, "a_tenant_with_little_is_served_within_a_turn_of_all_and_a_batch", {"batch": 5}),
    (broken.WeighsAllTheSame, "turns_are_shared_in_proportion_to_weights", {"batch": 1}),
    (broken.IgnoresTenantCaps, "no_more_of_a_tenant_run_than_its_cap", {}),
    (broken.IgnoresTenantCaps, "caps_hold_at_every_instant_over_all_runners", {"seed": 0}),
    (broken.IgnoresKindCaps, "no_more_of_a_kind_run_than_its_cap_over_all_tenants", {}),
    (broken.WaitsBehindCaps, "what_is_over_its_tenants_cap_holds_nobody_up", {}),
    (broken.ClaimsUnknownKinds, "kinds_that_the_runner_does_not_know_are_left_alone", {}),
    (broken.ClaimsPausedTasks, "a_paused_task_is_not_claimed_and_a_resumed_one_finds_its_time_again", {}),
    (broken.TakesOverLiveLeases, "a_live_lease_keeps_all_others_out", {}),
    (broken.NeverTakesOver, "an_expired_lease_is_taken_over_and_the_claim_says_from_whom", {}),
    (broken.MendsNoClock, "a_clock_that_went_back_makes_the_task_due_now_and_opens_an_incident", {}),
    (broken.Spins, "what_waits_for_a_cap_wakes_nobody_by_the_clock", {}),
    (broken.Oversleeps, "the_next_time_to_look_is_when_the_first_task_is_due", {}),
    (broken.AcceptsAnyLimit, "a_claim_of_less_than_one_task_is_refused", {"limit": 0}),
    (broken.ProlongsNothing, "renewal_prolongs_the_lease_from_now", {}),
    (broken.LosesNothing, "renewal_names_what_was_taken_over_deleted_or_completed", {}),
    (broken.CountsDeferrals, "a_deferred_claim_comes_again_for_the_same_slot_and_attempt", {}),
    (broken.ShowsOtherTenantsTasks, "another_tenants_task_reads_as_absent", {"method": "get"}),
    (broken.ShowsOtherTenantsRuns, "another_tenants_data_is_neither_shown_nor_touched", {"method": "runs"}),
    (broken.ReanchorsAtEachStart, "an_unchanged_schedule_never_moves_the_next_time", {}),
    (broken.ChangesWhatWasNotNamed, "ensure_changes_only_the_fields_that_are_named", {}),
    (broken.MakesTwins, "ensure_makes_a_task_once_and_then_leaves_it_unchanged", {}),
    (broken.PausesByMovingTheTime, "a_pause_sets_the_flag_only", {}),
    (broken.SteersOnAnyEpoch, "a_word_on_an_older_epoch_writes_nothing", {}),
    (broken.DeletesWhatIsDependedOn, "an_upstream_is_not_deleted_while_tasks_depend_on_it", {}),
    (broken.OpensEachIncidentAnew, "the_same_key_of_a_tenant_is_a_sighting_of_the_open_incident", {}),
    (broken.ShowsOtherTenantsChanges, "a_tenants_feed_leaves_others_out_and_its_cursor_moves_past_them", {}),
    (broken.SkipsChanges, "a_reader_that_resumes_by_cursor_misses_nothing_and_reads_nothing_twice", {}),
    (broken.SaysNothing, "whoever_listens_is_told_that_something_may_be_due", {}),
    (broken.OutlivesItsEnd, "after_its_end_a_store_refuses_every_call", {"method": "get"}),
]


class Trial(StoreConformance):
    """The suite, on a store of one's choice."""

    patience = timedelta(seconds=0.5)

    def __init__(self, kind: type[ToyStore]) -> None:
        self.kind = kind

    @asynccontextmanager
    async def make_store(self, clock: VirtualClock) -> AsyncIterator[Store]:
        yield self.kind(Ledger(clock.now))

    async def keeps(self, promise: str, arguments: dict[str, object]) -> bool:
        """Tell whether the test of *promise* passes."""
        clock = VirtualClock()
        test = getattr(self, f"test_{promise}")
        wanted = {"clock": clock} if "clock" in test.__code__.co_varnames[: test.__code__.co_argcount] else {}
        async with self.make_store(clock) as store:
            try:
                await test(store=store, **wanted, **arguments)
            except (AssertionError, ExceptionGroup, ValueError, pytest.fail.Exception):
                return False  # an assertion, alone or out of a task group; more or fewer than were unpacked
        return True


@pytest.mark.parametrize(("kind", "promise", "arguments"), PLANTED, ids=lambda value: getattr(value, "__name__", None))
async def test_a_broken_promise_fails_the_test_of_that_name(
    kind: type[ToyStore], promise: str, arguments: dict[str, object]
) -> None:
    assert await Trial(ToyStore).keeps(promise, arguments)
    assert not await Trial(kind).keeps(promise, arguments)


def test_a_new_method_of_the_store_cannot_be_left_out_of_the_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    async def export(self: object, tenant: str) -> None:
        """Give away what a tenant has."""

    # The protocol grows for the length of this test: nothing else can show that the sweep would notice.
    monkeypatch.setattr(Store, "export", export, raising=False)

    with pytest.raises(AssertionError):
        Trial(ToyStore).test_the_sweeps_leave_no_method_of_the_store_out()


def test_no_two_themes_of_the_suite_have_a_test_of_one_name() -> None:
    names = [name for theme in StoreConformance.__mro__ for name in vars(theme) if name.startswith("test_")]

    assert sorted(set(names)) == sorted(names)
