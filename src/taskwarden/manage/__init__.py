"""
The warden: what a host asks and orders, over any store. It needs no runner, and decides nothing by itself.

``warden`` opens; ``tenant`` is the door to one tenant, behind which ``tasks``, ``runs``, ``activity``,
``statistics`` and ``events`` lie. ``definition``, ``steering`` and ``explain`` are pure.
"""

from taskwarden.manage.activity import ActivityReports
from taskwarden.manage.definition import UNNAMED, Unnamed
from taskwarden.manage.explain import Blocker, Explanation, Obstacle
from taskwarden.manage.runs import RunHistory
from taskwarden.manage.statistics import Statistics
from taskwarden.manage.tasks import TaskActions
from taskwarden.manage.tenant import TenantHandle
from taskwarden.manage.warden import Warden

__all__ = [
    "UNNAMED",
    "ActivityReports",
    "Blocker",
    "Explanation",
    "Obstacle",
    "RunHistory",
    "Statistics",
    "TaskActions",
    "TenantHandle",
    "Unnamed",
    "Warden",
]
