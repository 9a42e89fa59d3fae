"""
Whether a worker is as it was before a run: the one place that looks behind anyio.

Theory. Cancel scopes and task groups nest as ``with`` blocks do, in the child task that entered them; the event loop
keeps which one is the innermost. An executor can leave one open: it breaks out of an async generator that holds one, or
enters one by hand. From then on everything that its worker does happens inside of it: its deadline, a failing child or
a late ``cancel()`` would hit whichever run is there by then, and the worker's own scope could not be left any more.

So a worker asks after each run, and one that is not as it was runs nothing more. No public call tells which scope is
the innermost, and to leave and enter the worker's own scope for each run would cost a tenth of a whole run: hence a
look at what anyio (on asyncio) and trio keep. Should a version of theirs keep it elsewhere, every worker passes for
sound, and a damaged one is found only once its scope breaks: contained, but after it may have harmed another run.
"""

# ruff: noqa: SLF001 - it looks behind anyio, for the reason above

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import anyio

__all__ = ["probe"]


def probe(scope: anyio.CancelScope) -> Callable[[], bool]:
    """
    Return what tells, called in the same child task, whether *scope* is the innermost that it is in.

    To be called when *scope* has just been entered. On asyncio it tells as well whether the child task itself has a
    cancellation ahead of it that no scope has asked for.
    """
    inner: Any = scope
    try:
        if hasattr(inner, "_host_task"):
            states = sys.modules[type(inner).__module__]._task_states
            return _on_asyncio(inner, inner._host_task, states[inner._host_task])
        return _on_trio(sys.modules["trio"].lowlevel.current_task())
    except (AttributeError, KeyError, RuntimeError):  # the last is trio's, where it does not run
        return _unknown


def _on_asyncio(scope: Any, host: Any, state: Any) -> Callable[[], bool]:
    def sound() -> bool:
        return state.cancel_scope is scope and (not host.cancelling() or scope.cancel_called)

    return sound


def _on_trio(task: Any) -> Callable[[], bool]:
    status = task._cancel_status

    def sound() -> bool:
        return task._cancel_status is status

    return sound


def _unknown() -> bool:
    return True
