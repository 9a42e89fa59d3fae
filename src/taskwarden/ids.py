"""Identifiers: opaque strings, checked where they enter."""

from __future__ import annotations

import re
from typing import Final, NewType

from taskwarden.errors import InvalidValue

__all__ = [
    "Kind",
    "RunId",
    "RunnerId",
    "TaskId",
    "TenantId",
    "check_actor",
    "check_id",
    "check_key",
    "check_kind",
    "check_tenant",
]

TaskId = NewType("TaskId", str)
"""A task. Opaque; unique in a store; never reused."""
TenantId = NewType("TenantId", str)
"""The user, account or organisation that a task belongs to: the host's own id."""
Kind = NewType("Kind", str)
"""The name that ties a task to its executor, e.g. ``gsc.insights``."""
RunId = NewType("RunId", str)
"""One execution of a task. Opaque; unique in a store."""
RunnerId = NewType("RunnerId", str)
"""One runner; unique among all that share a store."""

LONGEST: Final = 200
"""Most characters of a tenant, kind or key."""

_KIND: Final = re.compile(r"[A-Za-z0-9_]+(?:[.\-][A-Za-z0-9_]+)*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check_kind(value: object, name: str = "kind") -> Kind:
    """
    Return *value* as a kind.

    Raises:
        InvalidValue: It is not 1 to 200 ASCII letters, digits and underscores in parts joined by ``.`` or ``-``.
    """
    if not isinstance(value, str) or len(value) > LONGEST or not _KIND.fullmatch(value):
        rule = f"must be 1 to {LONGEST} letters, digits and underscores in parts joined by '.' or '-'"
        raise InvalidValue(name, value, rule, "for example 'gsc.insights'")
    return Kind(value)


def check_tenant(value: object, name: str = "tenant") -> TenantId:
    """
    Return *value* as a tenant's id.

    Raises:
        InvalidValue: It is not 1 to 200 characters without control characters and outer blanks.
    """
    return TenantId(_text(value, name, "pass the id by which your application knows the tenant"))


def check_key(value: object, name: str = "key") -> str:
    """
    Return *value* as a task's key.

    Raises:
        InvalidValue: It is not 1 to 200 characters without control characters and outer blanks.
    """
    return _text(value, name, "a key identifies the task within tenant and kind, for example 'home'")


def check_actor(value: object, name: str = "actor") -> str:
    """
    Return *value* as the name of who asks; empty: the application itself.

    Raises:
        InvalidValue: It is not at most 200 characters without control characters and outer blanks.
    """
    return "" if value == "" else _text(value, name, "say who asks, for example 'ops@example.org'")


def check_id(value: object, name: str = "task_id") -> str:
    """
    Return *value* as an opaque id that a store may be asked for.

    Raises:
        InvalidValue: It is not 1 to 200 characters without control characters and outer blanks.
    """
    return _text(value, name, "pass an id as the store gave it, for example status.id")


def _text(value: object, name: str, remedy: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST:
        raise InvalidValue(name, value, f"must be text of 1 to {LONGEST} characters", remedy)
    if _CONTROL.search(value) or value != value.strip():
        raise InvalidValue(name, value, "must not hold control characters, line ends or outer blanks", remedy)
    return value
