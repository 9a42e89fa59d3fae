"""The runner: claims what is due and executes it, in the host's own event loop."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

import anyio
import attrs
from anyio.abc import TaskStatus

from taskwarden.core.instant import span
from taskwarden.errors import Closed, InvalidValue
from taskwarden.ids import RunnerId, check_key
from taskwarden.policies import standard
from taskwarden.runner._clock import SystemClock
from taskwarden.runner._outage import Outage
from taskwarden.runner._parts import assembled
from taskwarden.runner._writer import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import datetime
    from types import TracebackType

    from taskwarden.core.protocols import Clock, FailurePolicy, Registry, Store
    from taskwarden.runner._poll import Poll

__all__ = ["Runner"]

_LOG: Final = logging.getLogger("taskwarden.runner")


def _positive(instance: object, attribute: attrs.Attribute[int], value: object) -> None:
    del instance
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidValue(attribute.name, value, "must be a whole number of at least 1")


def _lease(instance: object, attribute: attrs.Attribute[timedelta], value: object) -> None:
    del instance
    span(value, attribute.name, lo=timedelta(milliseconds=100), hi=timedelta(days=1))


def _grace(instance: object, attribute: attrs.Attribute[timedelta], value: object) -> None:
    del instance
    span(value, attribute.name, lo=timedelta(0), hi=timedelta(days=1))


def _name(name: str | None) -> RunnerId:
    if name is None:
        name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    return RunnerId(check_key(name, "name"))


@attrs.define(eq=False)
class Runner:
    """
    Claims due tasks from a store and executes them, isolated and bounded, until it is stopped.

    Embed it as a context manager, or start ``run`` in a task group of your own::

        async with Runner(store, registry):
            ...  # tasks run beside this block; leaving it drains

        async with anyio.create_task_group() as tg:
            await tg.start(runner.run)
            ...
            runner.stop()

    It works on asyncio and on trio. Many runners may share a store, in one process or in many. A runner serves once: a
    stopped one is not started again.

    Args:
        store: Where the tasks are.
        registry: Which executor runs which kind. Kinds that it does not know are left alone.
        name: Unique among all runners of the store; None: made of host, process and random bits.
        concurrency: Most runs at the same time; no more is claimed than can be started.
        threads: Most blocking executors at the same time; the others wait in their run, their timeout running. A thread
            that goes on after its run was given up counts until it ends.
        lease: For how long a claim stays exclusive unless renewed, which happens three times within it. 0.1 s to a day.
        grace: How long a stop lets runs finish before they are cancelled and become Interrupted. 0 s to a day.
        clock: Time; a virtual one in tests.
        policy: What follows a failure where the executor brings no policy of its own.
    """

    store: Store
    registry: Registry
    name: RunnerId = attrs.field(default=None, kw_only=True, converter=_name)
    concurrency: int = attrs.field(default=100, kw_only=True, validator=_positive)
    threads: int = attrs.field(default=40, kw_only=True, validator=_positive)
    lease: timedelta = attrs.field(default=timedelta(seconds=60), kw_only=True, validator=_lease)
    grace: timedelta = attrs.field(default=timedelta(seconds=30), kw_only=True, validator=_grace)
    clock: Clock = attrs.field(factory=SystemClock, kw_only=True)
    policy: FailurePolicy = attrs.field(factory=standard, kw_only=True)
    _stopping: anyio.Event = attrs.field(factory=anyio.Event, init=False, repr=False)
    _begun: bool = attrs.field(default=False, init=False, repr=False)
    _poll: Poll | None = attrs.field(default=None, init=False, repr=False)
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack, init=False, repr=False)

    @property
    def running(self) -> int:
        """How many runs are being executed just now."""
        return 0 if self._poll is None else len(self._poll.workers.running)

    def stop(self) -> None:
        """
        Drain: claim no more, let runs finish within the grace period, then cancel them. Returns at once.

        Safe to call more than once, and before the runner has started: then it ends as soon as it has.
        """
        self._stopping.set()
        if self._poll is not None:
            self._poll.stop()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """
        Claim and execute until ``stop`` is called or the surrounding scope is cancelled.

        Calls ``task_status.started()`` when it is about to claim. Cancelled, it does not wait for the grace period:
        runs are cancelled and become Interrupted. Either way outcomes are written before it ends, for which it takes
        at most 10 s after the last run has ended, whatever the store does. At the start, a store that does not answer
        is waited for.

        Raises:
            Closed: The store was closed, or this runner has been started before.
        """
        if self._begun:
            raise Closed(f"runner {self.name}")
        self._begun = True
        try:
            await self._run(task_status)
        except BaseExceptionGroup as group:
            closed, other = group.split(Closed)
            if closed is None or other is not None:
                raise
            raise _leaf(closed) from None

    async def _run(self, task_status: TaskStatus[None]) -> None:
        now = await self._reach_store()
        if now is None:
            task_status.started()
            return
        async with assembled(self, now) as parts:
            self._poll = parts.poll
            if self._stopping.is_set():
                parts.poll.stop()
            await parts.begun.wait()
            task_status.started()
            _LOG.info("runner %s: started; kinds %s", self.name, ", ".join(sorted(self.registry.kinds)))
            await parts.stopped.wait()
            await parts.drain(self.grace)
        _LOG.info("runner %s: stopped", self.name)

    async def __aenter__(self) -> Self:
        """Start, in a task group of its own; returns once it is about to claim."""
        await self._stack.enter_async_context(self._running())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Drain, and wait for it."""
        return await self._stack.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[None]:
        raised: Exception | None = None
        try:
            async with anyio.create_task_group() as tg:
                await tg.start(self.run)
                try:
                    yield
                except Exception as error:  # raised below, once what runs has been drained, and wrapped in nothing
                    raised = error
                finally:
                    self.stop()
        except BaseExceptionGroup as group:
            if raised is None and len(group.exceptions) == 1:
                raise _leaf(group) from None
            raise
        if raised is not None:
            raise raised

    async def _reach_store(self) -> datetime | None:
        """Return the store's time; wait for one that is not there yet. None: stopped."""
        line = Outage(self.clock, self.name).line("now")
        while not self._stopping.is_set():
            try:
                with anyio.fail_after(PATIENCE):
                    now = await self.store.now()
            except Closed:
                raise
            except Exception as error:  # whatever a store raises, the host lives
                await self.clock.wait(self._stopping, line.failed(error))
            else:
                line.answered()
                return now
        return None


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
