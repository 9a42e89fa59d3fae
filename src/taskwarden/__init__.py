"""
Taskwarden: recurring work of many tenants against other people's APIs, each due slot once, no dead API hammered.

Data takes eight steps, and each has its place in the tree:

1. **due**: ``policies.intervals`` say when a task's slots are; ``stores`` keep them in order.
2. **claimed**: ``runner`` takes what is due from a store, exclusively, under a lease and a fencing token.
3. **executed**: the host's ``TaskExecutor`` for the task's kind does the work, isolated and bounded.
4. **outcome**: what it returns or raises becomes one; ``classify`` says what failed.
5. **decision**: ``policies`` say what follows: when next, in which phase, whom to tell. Pure.
6. **completed**: the store writes run, task, statistics and change together, if the token is still current.
7. **event**: the change is told to those who subscribe.
8. **history**: the run is kept, to be read through the ``Warden``.

A host writes executors, opens a ``Warden``, ensures tasks through ``warden.tenant(id).tasks``, and enters
``warden.runner()`` where tasks are to run. What it needs every day is exported here; the rules of which failure
policies are composed are in ``taskwarden.policies``. Names are imported when they are first used, so that a process
pays for what it takes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from taskwarden.core.change import Change, ChangeName
    from taskwarden.core.claim import Claim
    from taskwarden.core.decision import (
        Activity,
        Decision,
        Event,
        IntervalState,
        Level,
        Notify,
        OpenIncident,
        Planned,
        Ran,
        ResolveIncident,
        Resumed,
        RevisionChanged,
        Silent,
        Trigger,
    )
    from taskwarden.core.executor import BlockingTaskExecutor, RunContext, TaskExecutor
    from taskwarden.core.failure import Confidence, Failure, Reason, TaskFailure
    from taskwarden.core.health import Health, Phase
    from taskwarden.core.outcome import JSON, Failed, Interrupted, Lost, Outcome, Skipped, Snoozed, Succeeded
    from taskwarden.core.protocols import Clock, FailurePolicy, IntervalPolicy
    from taskwarden.core.record import Ending, Incident, Run, Status, Tally, TaskStatus
    from taskwarden.core.registry import ExecutorRegistry, Registry
    from taskwarden.core.store import Ensured, EnsuredAs, Store, TenantState
    from taskwarden.core.task import Priority, Task, TaskRecord
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
    )
    from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId
    from taskwarden.manage import Blocker, Explanation, Obstacle, Statistics, TenantHandle, Warden
    from taskwarden.policies import TaskPolicy, brief, standard
    from taskwarden.policies.intervals import Coalesce, Each, Skip, between, cron, every, jittered, once
    from taskwarden.runner import Runner, SystemClock
    from taskwarden.runner.publish import ChangeStream
    from taskwarden.stores import open_store

__all__ = [
    "JSON",
    "AccessDenied",
    "Activity",
    "Blocker",
    "BlockingTaskExecutor",
    "Change",
    "ChangeName",
    "ChangeStream",
    "Claim",
    "Clock",
    "Closed",
    "Coalesce",
    "Confidence",
    "CursorExpired",
    "Decision",
    "DependencyCycle",
    "DuplicateExecutor",
    "Each",
    "Ending",
    "Ensured",
    "EnsuredAs",
    "Event",
    "ExecutorRegistry",
    "Explanation",
    "Failed",
    "Failure",
    "FailurePolicy",
    "HasDependants",
    "Health",
    "IllegalTransition",
    "Incident",
    "Interrupted",
    "IntervalPolicy",
    "IntervalState",
    "InvalidValue",
    "Kind",
    "Level",
    "Lost",
    "MalformedExecutor",
    "Notify",
    "Obstacle",
    "OpenIncident",
    "Outcome",
    "PayloadRejected",
    "Phase",
    "Planned",
    "Priority",
    "Ran",
    "Reason",
    "Registry",
    "ResolveIncident",
    "Resumed",
    "RevisionChanged",
    "Run",
    "RunContext",
    "RunId",
    "Runner",
    "RunnerId",
    "SchemaMismatch",
    "Silent",
    "Skip",
    "Skipped",
    "Snoozed",
    "Statistics",
    "Status",
    "Store",
    "StoreTaken",
    "StoreUnavailable",
    "Succeeded",
    "SystemClock",
    "Tally",
    "Task",
    "TaskExecutor",
    "TaskFailure",
    "TaskId",
    "TaskNotFound",
    "TaskPolicy",
    "TaskRecord",
    "TaskStatus",
    "TaskwardenError",
    "TenantHandle",
    "TenantId",
    "TenantState",
    "Trigger",
    "UnknownKind",
    "UsageError",
    "Warden",
    "between",
    "brief",
    "cron",
    "every",
    "jittered",
    "once",
    "open_store",
    "standard",
]

__version__ = "0.1.0"

_HOMES: Final = {
    "core.change": ("Change", "ChangeName"),
    "core.claim": ("Claim",),
    "core.decision": (
        "Activity",
        "Decision",
        "Event",
        "IntervalState",
        "Level",
        "Notify",
        "OpenIncident",
        "Planned",
        "Ran",
        "ResolveIncident",
        "Resumed",
        "RevisionChanged",
        "Silent",
        "Trigger",
    ),
    "core.executor": ("BlockingTaskExecutor", "RunContext", "TaskExecutor"),
    "core.failure": ("Confidence", "Failure", "Reason", "TaskFailure"),
    "core.health": ("Health", "Phase"),
    "core.outcome": ("JSON", "Failed", "Interrupted", "Lost", "Outcome", "Skipped", "Snoozed", "Succeeded"),
    "core.protocols": ("Clock", "FailurePolicy", "IntervalPolicy"),
    "core.record": ("Ending", "Incident", "Run", "Status", "Tally", "TaskStatus"),
    "core.registry": ("ExecutorRegistry", "Registry"),
    "core.store": ("Ensured", "EnsuredAs", "Store", "TenantState"),
    "core.task": ("Priority", "Task", "TaskRecord"),
    "errors": (
        "AccessDenied",
        "Closed",
        "CursorExpired",
        "DependencyCycle",
        "DuplicateExecutor",
        "HasDependants",
        "IllegalTransition",
        "InvalidValue",
        "MalformedExecutor",
        "PayloadRejected",
        "SchemaMismatch",
        "StoreTaken",
        "StoreUnavailable",
        "TaskNotFound",
        "TaskwardenError",
        "UnknownKind",
        "UsageError",
    ),
    "ids": ("Kind", "RunId", "RunnerId", "TaskId", "TenantId"),
    "manage": ("Blocker", "Explanation", "Obstacle", "Statistics", "TenantHandle", "Warden"),
    "policies": ("TaskPolicy", "brief", "standard"),
    "policies.intervals": ("Coalesce", "Each", "Skip", "between", "cron", "every", "jittered", "once"),
    "runner": ("Runner", "SystemClock"),
    "runner.publish": ("ChangeStream",),
    "stores": ("open_store",),
}
"""Module to the names that it gives to this one."""
_HOME_OF: Final = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    try:
        home = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    found = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found  # asked for once
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
