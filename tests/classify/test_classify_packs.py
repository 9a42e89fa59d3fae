"""Packs: tables that are checked when they are made, extended by hosts, and complete."""

import pytest

from taskwarden.classify import CODES, Classifier, Meaning, Pack, Phrase, classify
from taskwarden.classify.codes import NEUTRAL
from taskwarden.classify.packs import PACKS, REMOTE_DATABASES
from taskwarden.classify.system import ERRNO
from taskwarden.core.failure import Confidence, Reason
from taskwarden.errors import InvalidValue

ALL = [*PACKS, REMOTE_DATABASES]


class PlanExceeded(Exception):
    """A host's own."""


class Refused(Exception):
    """Carries a code of a provider that nobody else knows."""

    def __init__(self, code: str) -> None:
        super().__init__("refused")
        self.code = code


HERE = f"{PlanExceeded.__module__}.PlanExceeded"
ACME = Pack(
    name="acme",
    types={HERE: "api_limit.billing"},
    labels={"ACME-17": Meaning("auth_error.revoked"), "ACME-18": Meaning("auth_error.expired", definitive=True)},
    phrases=[Phrase("the moon is full", "network_error.upstream")],
)
OURS = Classifier(*PACKS, ACME)


def test_every_code_of_every_pack_has_a_meaning() -> None:
    assert {code for pack in ALL for code in pack.codes} <= CODES.keys()
    assert CODES.keys() >= NEUTRAL
    assert {code.partition(".")[0] for code in CODES} == set(Reason)


def test_every_meaning_is_used_by_a_pack_or_by_the_classifier_itself() -> None:
    used = {code for pack in ALL for code in pack.codes} | set(ERRNO.values()) | set(Reason)

    assert CODES.keys() - used == set()


def test_packs_have_names_of_their_own() -> None:
    names = [pack.name for pack in ALL]

    assert len(names) == len(set(names))


def test_a_host_adds_a_pack_of_its_own() -> None:
    assert classify(PlanExceeded()).code == "unknown"
    assert OURS.classify(PlanExceeded()).code == "api_limit.billing"
    assert OURS.classify(RuntimeError("Sorry: The moon is FULL.")).code == "network_error.upstream"
    assert OURS.classify(TimeoutError()).code == "network_error.timeout"


def test_a_code_of_a_hosts_provider_is_definitive_as_the_pack_says() -> None:
    revoked, expired = OURS.classify(Refused("acme-17")), OURS.classify(Refused("ACME-18"))

    assert (revoked.code, revoked.definitive, revoked.confidence) == ("auth_error.revoked", True, Confidence.PROTOCOL)
    assert (expired.code, expired.definitive) == ("auth_error.expired", True)


def test_of_two_packs_that_know_the_same_the_later_wins() -> None:
    later = Pack(name="later", types={"builtins.TimeoutError": "unknown.bug"})

    assert Classifier(*PACKS, later).classify(TimeoutError()).code == "unknown.bug"
    assert Classifier(later, *PACKS).classify(TimeoutError()).code == "network_error.timeout"


def test_a_subclass_is_known_by_its_base() -> None:
    class Worse(PlanExceeded):
        pass

    assert OURS.classify(Worse()).code == "api_limit.billing"


def test_a_database_may_be_a_provider() -> None:
    error = RuntimeError("no")
    error.sqlstate = "28P01"  # type: ignore[attr-defined]  # as drivers have it

    assert classify(error).code == "unknown.internal_db"
    assert Classifier(*PACKS, REMOTE_DATABASES).classify(error).code == "auth_error.invalid"


def test_without_packs_nothing_is_known_but_what_python_says_by_number() -> None:
    nothing = Classifier()

    assert nothing.classify(RuntimeError("502 Bad Gateway")).code == "network_error.upstream"  # a status is HTTP's
    assert nothing.classify(PlanExceeded()).code == "unknown"
    assert nothing.classify(ConnectionRefusedError(111, "refused")).code == "network_error.refused"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Pack(name="x", types={"a.B": "no_such_reason.detail"}),
        lambda: Pack(name="x", labels={"A": Meaning("nonsense")}),
        lambda: Phrase("too many", "nonsense"),
        lambda: Phrase("Too Many", "api_limit.rate"),
        lambda: Phrase(" ", "api_limit.rate"),
        lambda: Phrase("too many", "api_limit.rate", "("),
        lambda: Phrase("too many", "api_limit.rate", "x*"),
    ],
)
def test_a_mistake_in_a_table_is_refused_when_it_is_made(make: object) -> None:
    with pytest.raises(InvalidValue):
        make()  # type: ignore[operator]  # a callable


def test_a_phrase_is_found_at_word_boundaries_only() -> None:
    pack = Pack(name="x", phrases=[Phrase("limit", "api_limit.rate")])
    read = Classifier(pack).classify

    assert read(RuntimeError("a limit!")).code == "api_limit.rate"
    assert read(RuntimeError("limitless delimiters unlimited")).code == "unknown"
