"""
Step 7: what has happened, told to those who subscribe.

The feed is the truth, hints only say when to look. A subscriber reads at its own pace in its own task, so that one
that is slow, or raises, harms nobody else; it resumes by cursor, and misses nothing that is still kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio
import attrs
from anyio.lowlevel import checkpoint

from taskwarden.core.protocols import Hint
from taskwarden.errors import Closed, CursorExpired, InvalidValue, StoreUnavailable

if TYPE_CHECKING:
    from typing import Self

    from taskwarden.core.change import Change
    from taskwarden.core.protocols import Clock, Store
    from taskwarden.ids import TenantId

__all__ = ["ChangeStream", "subscribe"]

_PAGE: Final = 200
_SLOW_LOOK: Final = 30.0
"""Seconds after which a subscriber looks without a hint, since hints may be lost; and before listening again."""


@attrs.define(eq=False)
class ChangeStream:
    """
    The changes after a cursor, in order; iteration waits for more and never ends by itself.

    For one reader at a time.

    Attributes:
        cursor: Where to go on: after the last change that was handed over. Keep it, and pass it as *after* to miss
            nothing across restarts.
    """

    _store: Store = attrs.field(repr=False)
    _clock: Clock = attrs.field(repr=False)
    _tenant: TenantId | None
    cursor: int
    _page: deque[Change] = attrs.field(factory=deque, init=False, repr=False)
    _page_ends: int = attrs.field(default=0, init=False)
    _grown: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        """
        Return the next change, once there is one.

        Raises:
            CursorExpired: Changes after the cursor are no longer all kept, so that some were missed.
            StoreUnavailable, Closed: The store's; nothing was missed, and one may ask again.
        """
        while not self._page:
            await self._turn()
        change = self._page.popleft()
        self.cursor = change.seq if self._page else self._page_ends
        return change

    async def _turn(self) -> None:
        """Read the next page; where it is empty, wait until it may not be."""
        await checkpoint()  # a reader of a long feed lets others have the loop between pages
        # Set before reading, so that a hint that comes while we read is not lost.
        self._grown = anyio.Event()
        page = await self._store.changes(self.cursor, limit=_PAGE, tenant=self._tenant)
        if page.reset:
            raise CursorExpired(self.cursor, page.cursor)
        self._page.extend(page.changes)
        self._page_ends = page.cursor
        if not self._page:
            moved, self.cursor = page.cursor != self.cursor, page.cursor
            if not moved:
                await self._clock.wait(self._grown, self._clock.monotonic() + _SLOW_LOOK)

    def hint(self, hint: Hint) -> None:
        """Look now: the feed has grown."""
        if hint is Hint.CHANGED:
            self._grown.set()


@asynccontextmanager
async def subscribe(
    store: Store, clock: Clock, *, after: int | None = None, tenant: TenantId | None = None
) -> AsyncIterator[ChangeStream]:
    """
    Open a stream of changes for the length of the block.

    What the block raises passes on as it is; it concerns this subscriber alone.

    Args:
        after: The cursor to go on from, 0 for all that is kept; None: only what happens from now on.
        tenant: Of this tenant only; None: of all.

    Raises:
        InvalidValue: *after* is no cursor.
        StoreUnavailable, Closed: The store's, while the stream is opened.
    """
    cursor = await store.cursor() if after is None else _checked(after)
    stream = ChangeStream(store, clock, tenant, cursor)
    raised: Exception | None = None
    async with anyio.create_task_group() as tg:
        tg.start_soon(_listen, store, clock, stream, name="taskwarden listener of a subscriber")
        try:
            yield stream
        except Exception as error:
            raised = error
        tg.cancel_scope.cancel()
    if raised is not None:
        raise raised


async def _listen(store: Store, clock: Clock, stream: ChangeStream) -> None:
    """Pass hints on, and listen again after the store was away; until then the slow look must do."""
    while True:
        try:
            await store.listen(stream.hint)
        except Closed:
            stream.hint(Hint.CHANGED)  # the reader asks, and is told so itself
            return
        except StoreUnavailable:
            stream.hint(Hint.CHANGED)
            await clock.wait(anyio.Event(), clock.monotonic() + _SLOW_LOOK)


def _checked(after: object) -> int:
    if not isinstance(after, int) or isinstance(after, bool) or after < 0:
        raise InvalidValue("after", after, "must be a cursor", "pass stream.cursor, 0, or None for what is new")
    return after
