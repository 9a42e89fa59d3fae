"""The next health while it is being written. It never leaves ``policies.decision``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from taskwarden.core.health import CALM, CLOCK_FAULT, Health, Trouble
from taskwarden.core.instant import later, micros

if TYPE_CHECKING:
    from taskwarden.core.decision import Effect
    from taskwarden.policies.policy import TaskPolicy

__all__ = ["Draft"]

MOST_STREAK: Final = 999_999


class Draft:
    """
    A health to be: the fields of ``Health`` and ``Trouble``, open to change, with the effects gathered on the way.

    Time never goes back in it: ``at`` is now, or the high-water mark where that is ahead. A mark that is ahead by
    more than one lease was never real: then ``at`` is now, ``fault`` is set, what was remembered from later than that
    is moved to it, and what lay ahead of the mark lies as far ahead of now.
    """

    __slots__ = (
        "at",
        "definitive",
        "detectors",
        "effects",
        "epoch",
        "extra",
        "fault",
        "floor",
        "last_token",
        "lost",
        "next_at",
        "phase",
        "relapse_step",
        "relapse_until",
        "silent_since",
        "since",
        "step",
        "streak",
        "successes",
        "suspect",
        "suspect_at",
        "told",
    )

    since: datetime | None
    suspect_at: datetime | None
    silent_since: datetime | None
    relapse_until: datetime | None

    def __init__(self, policy: TaskPolicy, health: Health, now: datetime) -> None:
        self.extra = health.extra
        self.effects: list[Effect] = []
        self.phase, self.epoch, self.last_token = health.phase, health.epoch, health.last_token
        self.next_at, self.floor = health.next_at, health.floor
        self.streak, self.step = health.streak, health.step
        self.detectors = health.detectors
        (
            self.since,
            self.successes,
            self.suspect,
            self.suspect_at,
            self.definitive,
            self.told,
            self.lost,
            self.silent_since,
            self.relapse_until,
            self.relapse_step,
        ) = health.trouble
        self.at, self.fault = now, False
        mark = health.high_water
        if mark is not None and mark > now:
            if mark - now <= CLOCK_FAULT:
                self.at = mark
            else:
                self.fault = True
                self._correct(policy, mark)
        if self.floor is not None and self.floor <= self.at:
            self.floor = None
        if self.relapse_until is not None and self.relapse_until <= self.at:
            self.relapse_until, self.relapse_step = None, 0

    def _correct(self, policy: TaskPolicy, mark: datetime) -> None:
        at = self.at
        self.since, self.suspect_at = _no_later(self.since, at), _no_later(self.suspect_at, at)
        self.silent_since = _no_later(self.silent_since, at)
        self.floor, self.relapse_until = _moved(self.floor, mark, at), _moved(self.relapse_until, mark, at)
        self.detectors = policy.rebased(self.detectors, micros(at))

    def floored(self, instant: datetime) -> datetime:
        """Return *instant*, or the floor if that is later."""
        return instant if self.floor is None else max(instant, self.floor)

    def forgive(self) -> None:
        """Forget everything that was held against the task, but for a silence and a floor."""
        self.streak = self.step = self.successes = self.suspect = self.lost = self.relapse_step = 0
        self.since = self.suspect_at = self.relapse_until = None
        self.definitive = self.told = False
        self.detectors = {}

    def health(self) -> Health:
        """Return the health as it stands."""
        since = self.since
        trouble = Trouble(
            since,
            self.successes,
            self.suspect,
            self.suspect_at,
            self.definitive,
            self.told,
            self.lost,
            self.silent_since,
            self.relapse_until,
            self.relapse_step,
        )
        if since is None and trouble == CALM:
            trouble = CALM
        return Health(
            self.phase,
            self.epoch,
            self.last_token,
            self.at,
            self.next_at,
            self.floor,
            self.streak,
            self.step,
            self.detectors,
            trouble,
            self.extra,
        )


def _no_later(instant: datetime | None, at: datetime) -> datetime | None:
    return None if instant is None else min(instant, at)


def _moved(instant: datetime | None, mark: datetime, at: datetime) -> datetime | None:
    return None if instant is None or instant <= mark else later(at, instant - mark)
