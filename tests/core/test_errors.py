"""Errors say whose fault it is, carry their facts, and survive a trip to another process."""

import pickle

import pytest

from taskwarden import errors
from taskwarden.errors import (
    AccessDenied,
    Closed,
    CursorExpired,
    DependencyCycle,
    DuplicateExecutor,
    HasDependants,
    IllegalTransition,
    InvalidValue,
    MalformedExecutor,
    PayloadRejected,
    SchemaMismatch,
    StoreTaken,
    StoreUnavailable,
    TaskNotFound,
    TaskwardenError,
    UnknownKind,
    UsageError,
    shown,
)

EXAMPLES: list[tuple[TaskwardenError, str]] = [
    (InvalidValue("limit", 0, "must be at least 1", "ask for one"), "limit must be at least 1, got 0; ask for one"),
    (InvalidValue("limit", 0, "must be at least 1"), "limit must be at least 1, got 0"),
    (PayloadRejected("k", "$.url", {"url": 1}, "expected str"), "payload of 'k' at $.url expected str, got {'url': 1}"),
    (MalformedExecutor("Check", "is a class", "pass an instance"), "executor Check: is a class; pass an instance"),
    (DuplicateExecutor("k", "A", "B"), "kind 'k' is already run by A, so B was not registered"),
    (UnknownKind("k", ["a", "b"]), "no executor is registered for kind 'k' (registered: 'a', 'b')"),
    (UnknownKind("k", []), "(registered: none)"),
    (TaskNotFound("alice", "t1"), "tenant 'alice' has no task 't1'"),
    (DependencyCycle(["a", "b", "a"]), "a -> b -> a"),
    (HasDependants("t1", ["t2"]), "pass detach=True"),
    (IllegalTransition("done", "claim"), "a task that is done cannot take claim"),
    (Closed("store"), "store is closed; open a new one"),
    (CursorExpired(7, 12), "after cursor 7 are no longer all kept"),
    (SchemaMismatch("pg", None, "0001", "migrate it"), "store pg has no tables of taskwarden"),
    (SchemaMismatch("pg", "0002", "0001", "upgrade"), "has schema 0002, and this version works with schema 0001; up"),
    (StoreTaken("pg", "tw_", "shop", "blog"), "belong to application 'shop', and this is 'blog'; give it tables"),
    (AccessDenied("pg", "no INSERT on tw_run", "grant it"), "store pg refuses: no INSERT on tw_run; grant it"),
    (StoreUnavailable("pg", "refused"), "store pg is unavailable: refused; nothing was changed"),
]


@pytest.mark.parametrize(
    ("error", "text"), EXAMPLES, ids=lambda it: type(it).__name__ if not isinstance(it, str) else ""
)
def test_an_error_says_its_facts_and_pickles(error: TaskwardenError, text: str) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert text in str(error)
    assert (type(again), str(again), again.args) == (type(error), str(error), error.args)


def test_every_error_has_an_example_here_and_a_place_in_the_drawn_tree() -> None:
    shown_here = {type(error) for error, _ in EXAMPLES} | {TaskwardenError, UsageError}
    classes = {getattr(errors, name) for name in errors.__all__}

    assert shown_here == classes
    for each in classes:
        assert each.__name__ in (errors.__doc__ or "")


def test_a_usage_error_is_what_python_would_have_raised_too() -> None:
    assert issubclass(InvalidValue, ValueError)
    assert issubclass(TaskNotFound, LookupError)
    assert not issubclass(StoreUnavailable, UsageError)


def test_a_value_is_shown_short_even_if_its_repr_raises() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError

    assert shown("x" * 500).endswith("…")
    assert len(shown("x" * 500)) == 80
    assert shown(Hostile()) == "<Hostile whose repr raises RuntimeError>"
