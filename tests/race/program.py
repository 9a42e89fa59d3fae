"""
One racing process: ``python -m tests.race.program`` with its orders as JSON.

It says a line on its output once its runner runs. Its input is the end of a pipe: a line means to drain and to end, and
the end of the pipe that whoever started us is gone, so that nothing is left behind, whatever happens to that process.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.lowlevel
import attrs

from taskwarden.errors import StoreUnavailable
from taskwarden.manage import Warden
from tests.race.journal import Journal
from tests.race.kinds import executors

__all__ = ["Orders"]

FORSAKEN = 3
"""The exit code where whoever started us is gone."""


@attrs.frozen(kw_only=True)
class Orders:
    """
    What a racing process is to do.

    Args:
        number: The process's own.
        backend: ``asyncio`` or ``trio``.
        folder: Where the journals are.
        capped: It knows the kinds with caps, too.
        lease: Seconds.
    """

    number: int
    backend: str
    url: str
    folder: str
    capped: bool
    lease: float
    concurrency: int

    def text(self) -> str:
        """Return it as one argument."""
        return json.dumps(attrs.asdict(self))


def obey(stop: Callable[[], object]) -> None:
    """Call *stop* once there is a line on our input, and end at once where that ends. From a thread of its own."""
    if os.read(0, 100):
        stop()
        os.read(0, 1)
    os._exit(FORSAKEN)


async def serve(orders: Orders) -> None:
    """Run what is due until told to stop."""
    stop, token = anyio.Event(), anyio.lowlevel.current_token()
    told = partial(anyio.from_thread.run_sync, stop.set, token=token)
    threading.Thread(target=obey, args=(told,), daemon=True).start()
    lease, grace = timedelta(seconds=orders.lease), timedelta(seconds=10)
    async with AsyncExitStack() as stack:
        warden = await opened(stack, orders)
        name = f"process-{orders.number}"
        async with warden.runner(name=name, lease=lease, concurrency=orders.concurrency, grace=grace):
            print("runs", flush=True)  # noqa: T201  # to whoever started us
            await stop.wait()


async def opened(stack: AsyncExitStack, orders: Orders) -> Warden:
    """Open the warden for as long as *stack* lasts; while the database is away, try again, as a supervisor would."""
    known = executors(Journal(Path(orders.folder), orders.number), capped=orders.capped)
    while True:
        try:
            return await stack.enter_async_context(Warden.open(orders.url, executors=known))
        except StoreUnavailable:
            await anyio.sleep(0.1)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    given = Orders(**json.loads(sys.argv[1]))
    anyio.run(serve, given, backend=given.backend)
