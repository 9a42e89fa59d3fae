"""Ids are checked where they enter, and the error names value, rule and remedy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.errors import InvalidValue
from taskwarden.ids import LONGEST, check_key, check_kind, check_tenant

REFUSED = ["", " ", " a", "a ", "a\nb", "a\x00b", "a\x7f", "a\u2028b", "\ud800", "x" * (LONGEST + 1), None, 7, b"a"]


@pytest.mark.parametrize("value", REFUSED)
def test_a_tenant_or_key_that_could_be_mistaken_is_refused(value: object) -> None:
    for check, name in ((check_tenant, "tenant"), (check_key, "key")):
        with pytest.raises(InvalidValue, match=f"^{name} must"):
            check(value)


@pytest.mark.parametrize("value", ["", "a b", "a/b", ".a", "a.", "a..b", "ä", "a\n", "x" * 201, None, 1])
def test_a_kind_is_letters_digits_and_underscores_in_parts(value: object) -> None:
    with pytest.raises(InvalidValue, match=r"for example 'gsc\.insights'"):
        check_kind(value)


@pytest.mark.parametrize("value", ["a", "gsc.insights", "a-b.c_d", "A1", "x" * 200])
def test_a_well_formed_kind_is_taken_as_it_is(value: str) -> None:
    assert check_kind(value) == value


@given(st.text(min_size=1, max_size=LONGEST))
def test_a_tenant_is_taken_unchanged_or_refused(value: str) -> None:
    try:
        taken = check_tenant(value)
    except InvalidValue as error:
        assert error.value == value
    else:
        assert taken == value
        assert value == value.strip()
        assert "\x00" not in value
