"""P1 and P2 for the classifier: whatever an exception is made of, the answer is a failure, and the same one again."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.classify import classify
from taskwarden.classify.chain import DEEPEST, MOST, causes
from taskwarden.core.failure import Failure


class Hostile(Exception):
    """Raises from whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")

    def __str__(self) -> str:
        raise SystemExit(1)

    def __repr__(self) -> str:
        raise MemoryError


class HostileMeta(type):
    """Makes classes that refuse their names."""

    @property
    def __module__(cls) -> str:  # type: ignore[override]  # on purpose
        raise RuntimeError("no module")


class Nameless(Exception, metaclass=HostileMeta):
    """Has a class without a name."""


class Text(str):
    """Text that cannot be cut or encoded."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> str:
        raise RuntimeError("no items")

    def encode(self, *args: Any, **kwargs: Any) -> bytes:
        raise RuntimeError("no bytes")


class Wordy(Exception):
    """Its text is no plain text."""

    def __str__(self) -> str:
        return Text("wordy \ud800\0" * 10_000)


class Answer:
    """A response of another kind."""

    def __init__(self, status: object, headers: object, content: object) -> None:
        self.status_code, self.headers, self._content = status, headers, content


class Carrying(Exception):
    """Carries a response."""

    def __init__(self, response: object) -> None:
        super().__init__("carrying")
        self.response = response


# Hostile objects upset whoever looks at them, Hypothesis too: it draws recipes, and the test makes the exceptions.
MAKERS: list[Callable[[], BaseException]] = [
    Hostile,
    Nameless,
    Wordy,
    KeyError,
    TimeoutError,
    KeyboardInterrupt,
    GeneratorExit,
    lambda: Carrying(Hostile()),
    lambda: Carrying(Answer(Hostile(), None, b"")),
    lambda: Carrying(Answer(429, Hostile(), b"")),
    lambda: Carrying(Answer(400, {"Retry-After": Text("5")}, Text("{}"))),
]
rubbish = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.lists(st.integers())
headers = rubbish | st.dictionaries(st.sampled_from(["Retry-After", "Date", "retry-after"]), rubbish)
answers = st.builds(Answer, rubbish | st.integers(390, 610), headers, rubbish | st.just(b'{"error": []}'))
makers = st.one_of(
    st.sampled_from(MAKERS),
    (rubbish | answers).map(lambda response: lambda: Carrying(response)),
    st.text().map(lambda text: lambda: RuntimeError(text)),
)
places = st.integers(0, 1_000)
links = st.lists(st.tuples(places, st.sampled_from(["__cause__", "__context__"]), places), max_size=10)
groups = st.lists(st.lists(places, min_size=1, max_size=4), max_size=2)
recipes = st.tuples(st.lists(makers, min_size=1, max_size=8), groups, links, places)


Recipe = tuple[list[Callable[[], BaseException]], list[list[int]], list[tuple[int, str, int]], int]


def made(recipe: Recipe) -> BaseException:
    """Return an exception with others behind it in any way, cycles included."""
    singles, grouped, linked, start = recipe
    errors = [make() for make in singles]
    for members in grouped:
        errors.append(BaseExceptionGroup("group", [errors[place % len(errors)] for place in members]))
    for place, attribute, behind in linked:
        BaseException.__setattr__(errors[place % len(errors)], attribute, errors[behind % len(errors)])
    return errors[start % len(errors)]


@given(recipes)
def test_p1_whatever_exceptions_are_made_of_the_answer_is_a_failure(recipe: Recipe) -> None:
    failure = classify(made(recipe))

    assert isinstance(failure, Failure)
    assert len(failure.message) <= 2_000
    for text in (failure.message, failure.fingerprint):
        assert type(text) is str
        assert text.encode("utf-8")
        assert "\0" not in text


@given(recipes)
def test_p2_the_same_exception_is_always_the_same_failure(recipe: Recipe) -> None:
    error = made(recipe)

    assert classify(error) == classify(error)


def test_text_that_no_database_stores_is_replaced_and_long_text_is_cut() -> None:
    assert classify(Wordy()).message == ("wordy ??" * 250)


def test_a_class_without_a_name_still_has_a_fingerprint() -> None:
    assert classify(Nameless()).fingerprint == "unknown:a nameless exception"


def test_a_cycle_of_causes_ends() -> None:
    one, two = RuntimeError("one"), RuntimeError("two")
    one.__cause__, two.__cause__ = two, one

    assert list(causes(one)) == [one, two]


def test_causes_are_followed_sixteen_steps_and_no_further() -> None:
    chain = [RuntimeError(str(number)) for number in range(40)]
    for error, behind in pairwise(chain):
        error.__cause__ = behind

    assert list(causes(chain[0])) == chain[: DEEPEST + 1]


def test_a_group_of_any_size_is_looked_at_in_bounded_time() -> None:
    group = ExceptionGroup("many", [RuntimeError(str(number)) for number in range(10_000)])

    assert len(list(causes(group))) == MOST


def test_the_user_may_interrupt_even_the_classifier() -> None:
    class Interrupting(Exception):
        @property
        def response(self) -> object:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify(Interrupting())
