"""A context that no runner has made opens no session, and says so."""

from datetime import UTC, datetime

import pytest

from taskwarden.core.executor import RunContext
from taskwarden.errors import InvalidValue


def made_by_hand() -> RunContext:
    return RunContext(claim=None, deadline=datetime(2026, 1, 1, tzinfo=UTC), in_thread=None)  # type: ignore[arg-type]


def test_a_context_made_by_hand_opens_no_session() -> None:
    with pytest.raises(InvalidValue, match="a runner makes it"):
        made_by_hand().session()


def test_a_context_made_by_hand_opens_no_transaction() -> None:
    with pytest.raises(InvalidValue, match="a runner makes it"):
        made_by_hand().transaction()
