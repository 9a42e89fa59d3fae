"""A wrong payload is refused where it enters, with the path of the wrong field."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.payload import LARGEST, structured, to_json_text, unstructured
from taskwarden.errors import InvalidValue, PayloadRejected
from taskwarden.ids import Kind

KIND = Kind("k")


@attrs.frozen
class Page:
    path: str
    depth: int = 1
    weight: float = 1.0


@attrs.frozen
class Site:
    url: str
    pages: list[Page] = attrs.field(factory=list)
    since: datetime | None = None
    pause: timedelta = timedelta(seconds=1)


pages = st.builds(Page, st.text(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
sites = st.builds(
    Site,
    st.text(),
    st.lists(pages, max_size=3),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.timedeltas(timedelta(0), timedelta(days=400)).map(lambda it: timedelta(seconds=round(it.total_seconds(), 3))),
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(sites)
def test_an_attrs_payload_survives_the_store(site: Site) -> None:
    assert structured(unstructured(site, Site, KIND), Site, KIND) == site


@given(plain)
def test_a_plain_payload_survives_the_store(value: Any) -> None:
    try:
        stored = unstructured(value, None, KIND)
    except PayloadRejected:
        assert "\\ud" in ascii(value)  # text that is no UTF-8
    else:
        assert stored == value


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"url": 1}, "$.url"),
        ({}, "$.url"),
        ({"url": "x", "pages": [{"path": "/"}, {"path": 2}]}, "$.pages[1].path"),
        ({"url": "x", "pages": [{"path": "/", "depth": True}]}, "$.pages[0].depth"),
        ({"url": "x", "pages": [{"path": "/", "weight": "1"}]}, "$.pages[0].weight"),
        ({"url": "x", "since": "yesterday"}, "$.since"),
        ({"url": "x", "since": "2026-01-01T00:00:00"}, "$.since"),
        ({"url": "x", "extra": 1}, "$"),
        ([], "$"),
        (None, "$"),
    ],
)
def test_a_payload_that_does_not_fit_names_the_path_of_the_wrong_field(value: Any, path: str) -> None:
    with pytest.raises(PayloadRejected) as raised:
        unstructured(value, Site, KIND)

    assert raised.value.path.startswith(path)
    assert "payload of 'k' at $" in str(raised.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, {"a": b"bytes"}, [{1: 2}]])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(PayloadRejected, match="JSON"):
        unstructured(value, None, KIND)


def test_a_payload_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)

    with pytest.raises(PayloadRejected):
        unstructured(loop, None, KIND)


@attrs.define
class Node:
    children: list["Node"] = attrs.field(factory=list)


def test_an_attrs_payload_that_holds_itself_is_refused() -> None:
    node = Node()
    node.children.append(node)

    with pytest.raises(PayloadRejected, match="must be JSON"):
        unstructured(node, Node, KIND)


def test_a_payload_of_64_kib_is_taken_and_one_byte_more_is_refused_with_its_size() -> None:
    fits = "x" * (LARGEST - 2)

    assert unstructured(fits, None, KIND) == fits
    with pytest.raises(PayloadRejected, match=str(LARGEST)):
        unstructured(fits + "x", None, KIND)


def test_a_result_that_is_not_json_names_itself() -> None:
    with pytest.raises(InvalidValue, match="^result must be JSON"):
        to_json_text(object(), "result")
