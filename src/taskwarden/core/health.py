"""
What the failure policy remembers of a task, compact whatever the history.

Opaque to stores but for ``phase`` and ``epoch``.

Stores keep it as the text that ``encode`` makes and ``decode`` reads. Both directions are exact, and fields that a
newer version wrote are carried along unchanged, so that runners of two versions may share a store.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from taskwarden.core.instant import at_micros, later, micros
from taskwarden.errors import InvalidValue

if TYPE_CHECKING:
    from taskwarden.core.outcome import JSON

__all__ = ["CALM", "CLOCK_FAULT", "HEALTHY", "LARGEST_HEALTH", "Health", "Phase", "Trouble", "decode", "encode"]

LARGEST_HEALTH: Final = 1024
"""Most bytes of an encoded health. A policy that might need more is refused when it is made."""
CLOCK_FAULT: Final = timedelta(seconds=60)
"""A high-water mark further ahead of now than this (one lease) was never real: the clock was wrong."""


class Phase(enum.StrEnum):
    """Where the failure policy stands with a task."""

    HEALTHY = "healthy"
    BACKING_OFF = "backing_off"
    COOLING_OFF = "cooling_off"
    PROBING = "probing"
    NEEDS_INTERVENTION = "needs_intervention"


class Trouble(NamedTuple):
    """
    What is remembered only while something is, or lately was, wrong. ``CALM`` when nothing is.

    A tuple because one is made at each failure, and a frozen class takes three times as long.

    Args:
        since: The first failure of the present streak.
        successes: In a row, on the way to recovery.
        suspect: The hash of a definitive failure's cause that waits for confirmation, or was confirmed.
        suspect_at: When that cause was first seen.
        definitive: The cause was confirmed: a repetition cannot help.
        told: People were told of this trouble.
        lost: How many runs in a row ended with ``Lost``; counted up to 2.
        silent_since: An incident is open because the task has owed an outcome since then.
        relapse_until: A failure before then is a relapse, and the delays go on from *relapse_step*.
    """

    since: datetime | None = None
    successes: int = 0
    suspect: int = 0
    suspect_at: datetime | None = None
    definitive: bool = False
    told: bool = False
    lost: int = 0
    silent_since: datetime | None = None
    relapse_until: datetime | None = None
    relapse_step: int = 0


CALM: Final = Trouble()
"""Nothing is wrong. Policies use this very object, so that asking for it is one comparison."""
_NOTHING: Final[Mapping[str, tuple[int, ...]]] = {}
_NO_EXTRA: Final[Mapping[str, JSON]] = {}


@attrs.frozen
class Health:
    """
    The compact state of the failure policy; at most 1 KiB encoded, after any history.

    Args:
        phase: As of the last decision; ``view`` tells it as of now.
        epoch: Raised by an operator's retry or reschedule and by a revision; outcomes of older epochs never count.
        last_token: Of the last outcome that was decided on; one that is not greater changes nothing.
        high_water: The latest instant decided at: policies never see time go back.
        next_at: When the task may run next, as last decided or planned; None: not yet, or there is no further slot.
        floor: Not before then, a provider said (Retry-After); no policy, retry or manual run comes earlier.
        streak: Counted failures in a row; held at 999,999.
        step: How far the delays have grown: the next is of this step's size; 0 in good health.
        detectors: The state of each detector, by its name.
        trouble: What is remembered only while something is wrong.
        extra: Fields that a newer version wrote, carried along.
    """

    phase: Phase = Phase.HEALTHY
    epoch: int = 0
    last_token: int = 0
    high_water: datetime | None = None
    next_at: datetime | None = None
    floor: datetime | None = None
    streak: int = 0
    step: int = 0
    detectors: Mapping[str, tuple[int, ...]] = _NOTHING
    trouble: Trouble = CALM
    extra: Mapping[str, JSON] = _NO_EXTRA

    def floor_at(self, now: datetime) -> datetime | None:
        """Return the floor as far as it is real: one that was set while the clock was ahead has moved back with it."""
        mark = self.high_water
        if self.floor is None or mark is None or mark - now <= CLOCK_FAULT:
            return self.floor
        return later(now, self.floor - mark) if self.floor > mark else None

    def view(self, now: datetime) -> Phase:
        """Return the phase to show at *now*: a task that cools off is probing once its next run is due. No timers."""
        if self.phase is Phase.COOLING_OFF and self.next_at is not None and self.next_at <= now:
            return Phase.PROBING
        return self.phase


HEALTHY: Final = Health()
"""The health of a task that has never run."""

_VERSION: Final = 1
_INSTANTS: Final = {"high_water": "hw", "next_at": "at", "floor": "fl"}
_NUMBERS: Final = {"epoch": "e", "last_token": "k", "streak": "n", "step": "s"}
_TROUBLE_INSTANTS: Final = {"since": "f", "suspect_at": "ca", "silent_since": "q", "relapse_until": "ru"}
_TROUBLE_NUMBERS: Final = {"successes": "o", "suspect": "c", "lost": "l", "relapse_step": "rs"}
_TROUBLE_FLAGS: Final = {"definitive": "x", "told": "w"}


def encode(health: Health) -> str:
    """Return *health* as JSON text: ASCII, keys short, instants as microseconds since 1970, defaults left out."""
    if health.trouble is CALM and health.phase is Phase.HEALTHY and not health.detectors and not health.extra:
        return _encode_good(health)
    fields: dict[str, JSON] = {"v": _VERSION}
    if health.phase is not Phase.HEALTHY:
        fields["p"] = health.phase.value
    _put(fields, health, _INSTANTS, _NUMBERS)
    if health.detectors:
        fields["d"] = {name: list(state) for name, state in health.detectors.items()}
    if health.trouble is not CALM:
        _put(fields, health.trouble, _TROUBLE_INSTANTS, _TROUBLE_NUMBERS | _TROUBLE_FLAGS)
    if health.extra:
        fields.update(health.extra)
    return json.dumps(fields, separators=(",", ":"), sort_keys=True)


def _encode_good(health: Health) -> str:
    """Return what ``encode`` does for a task that is well, as nearly all are, five times as fast."""
    next_at, high_water, floor = health.next_at, health.high_water, health.floor
    at = f'"at":{micros(next_at)},' if next_at is not None else ""
    e = f'"e":{health.epoch},' if health.epoch else ""
    fl = f'"fl":{micros(floor)},' if floor is not None else ""
    hw = f'"hw":{micros(high_water)},' if high_water is not None else ""
    k = f'"k":{health.last_token},' if health.last_token else ""
    n = f'"n":{health.streak},' if health.streak else ""
    s = f'"s":{health.step},' if health.step else ""
    return f'{{{at}{e}{fl}{hw}{k}{n}{s}"v":{_VERSION}}}'


def _put(
    fields: dict[str, JSON], of: Health | Trouble, instants: Mapping[str, str], numbers: Mapping[str, str]
) -> None:
    for name, key in instants.items():
        instant = getattr(of, name)
        if instant is not None:
            fields[key] = micros(instant)
    for name, key in numbers.items():
        number = getattr(of, name)
        if number:
            fields[key] = int(number)


def decode(text: str) -> Health:
    """
    Return the health that ``encode`` made *text* from, of this version, an older or a newer one.

    Raises:
        InvalidValue: It is no such text; nothing was read.
    """
    try:
        fields = json.loads(text)
        known: dict[str, Any] = _taken(fields, _INSTANTS, _NUMBERS)
        phase = Phase(fields.pop("p", Phase.HEALTHY))
        detectors = {name: _integers(state) for name, state in fields.pop("d", {}).items()}
        trouble: dict[str, Any] = _taken(fields, _TROUBLE_INSTANTS, _TROUBLE_NUMBERS)
        trouble |= {name: bool(fields.pop(key)) for name, key in _TROUBLE_FLAGS.items() if key in fields}
        if fields.get("v") == _VERSION:
            del fields["v"]  # another version's number is carried along with its fields
        return Health(
            phase=phase,
            detectors=detectors or _NOTHING,
            trouble=Trouble(**trouble) if trouble else CALM,
            extra=fields or _NO_EXTRA,
            **known,
        )
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        rule = f"must be the text of an encoded health ({error})"
        raise InvalidValue("health", text, rule, "restore the row, or retry the task to begin anew") from error


def _taken(fields: dict[str, JSON], instants: Mapping[str, str], numbers: Mapping[str, str]) -> dict[str, object]:
    taken: dict[str, object] = {}
    for name, key in instants.items():
        if key in fields:
            taken[name] = at_micros(_integer(fields.pop(key)))
    for name, key in numbers.items():
        if key in fields:
            taken[name] = _integer(fields.pop(key))
    return taken


def _integers(value: JSON) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list of integers, got {type(value).__name__}")
    return tuple(map(_integer, value))


def _integer(value: JSON) -> int:
    if type(value) is not int:
        raise TypeError(f"expected an integer, got {type(value).__name__}")
    return value
