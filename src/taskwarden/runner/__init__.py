"""
Steps 1 to 6 at work: the only place that opens task groups, and the only one that cancels.

``_poll`` waits for what is due and claims it (1, 2); ``_workers`` keeps the queue and the workers, each of which, a
``_worker``, executes what it takes, through ``_execution`` where that waits (3); ``_outcome`` says what it ended with
(4); ``_attempt`` puts outcome, plan and decision together (4, 5, 6); ``_writer`` writes them in batches (6). ``_lease``
bounds runs, ``_threads`` bounds what blocks, ``_watchdog`` sees what blocks the loop, ``_soundness`` what an executor
left open, ``_patience`` bounds calls of the store, ``_outage`` waits for one that is gone, ``_parts`` holds them
together, ``publish`` reads the feed.
"""

from taskwarden.runner._clock import StoreTime, SystemClock
from taskwarden.runner._kind import KindRules, Kinds
from taskwarden.runner._runner import Runner

__all__ = ["KindRules", "Kinds", "Runner", "StoreTime", "SystemClock"]
