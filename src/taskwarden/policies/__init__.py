"""
Policies: pure values that say what follows a failure, and when slots are (``policies.intervals``).

A failure policy is a ``TaskPolicy`` made of rules; take one from the shelf (``standard()``, ``brief()``) or compose::

    policy = standard() | when(Code("auth_error"), park(Consecutive(2, min_span=timedelta(hours=1))))
"""

from __future__ import annotations

from taskwarden.policies.admission import Admission, Admit, Defer, Deny, admit, strictest
from taskwarden.policies.backoff import CURVES, Curve, curve_of, exponential
from taskwarden.policies.composition import (
    Code,
    Predicate,
    Rule,
    all_of,
    any_of,
    cap,
    cool,
    deny,
    first,
    park,
    shadow,
    wait,
    when,
)
from taskwarden.policies.detectors import Consecutive, Detector, Duration, Flapping, Sequential, Silence, Window
from taskwarden.policies.intervals import Coalesce, Each, Skip, between, cron, every, jittered, once
from taskwarden.policies.policy import TaskPolicy
from taskwarden.policies.presets import brief, standard
from taskwarden.policies.total import decide, fold
from taskwarden.policies.transitions import TRANSITIONS
from taskwarden.policies.verdict import Facts, Severity, Verdict

__all__ = [
    "CURVES",
    "TRANSITIONS",
    "Admission",
    "Admit",
    "Coalesce",
    "Code",
    "Consecutive",
    "Curve",
    "Defer",
    "Deny",
    "Detector",
    "Duration",
    "Each",
    "Facts",
    "Flapping",
    "Predicate",
    "Rule",
    "Sequential",
    "Severity",
    "Silence",
    "Skip",
    "TaskPolicy",
    "Verdict",
    "Window",
    "admit",
    "all_of",
    "any_of",
    "between",
    "brief",
    "cap",
    "cool",
    "cron",
    "curve_of",
    "decide",
    "deny",
    "every",
    "exponential",
    "first",
    "fold",
    "jittered",
    "once",
    "park",
    "shadow",
    "standard",
    "strictest",
    "wait",
    "when",
]
