"""
The provider: a real HTTP server on this machine that misbehaves as scripted and counts every call.

An outage answers 503 instead of refusing connections, so that also the calls made in vain are counted where they
arrive. Taskwarden and the control group name themselves in a header: whoever calls, the weather is the same.
"""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import anyio
import attrs
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from taskwarden.cli.demo.script import CALLER, Endpoint, Fault, Misbehaviour, Script
from taskwarden.cli.demo.story import HOUR, hours

if TYPE_CHECKING:
    from starlette.requests import Request

    from taskwarden.core.protocols import Clock

__all__ = ["Call", "Provider"]

_SLOW: Final = 2.0
"""Real seconds that a slow answer takes: longer than any caller waits."""
_PATIENCE: Final = 10.0
"""Real seconds that the server has to stop."""


@attrs.frozen
class Call:
    """
    One call that arrived.

    Args:
        at: Hours since the curtain rose.
        caller: Which group made it.
        fault: What it met; None: it was served.
    """

    at: float
    caller: str
    tenant: str
    endpoint: Endpoint
    fault: Fault | None


class Provider:
    """
    The server, from ``with`` to its end, in a thread and event loop of its own.

    Args:
        script: How it misbehaves.
        clock: Whose time the script is told in. The curtain rises when the provider is made, and at ``restart``.
    """

    def __init__(self, script: Script, clock: Clock) -> None:
        self.script: Final = script
        self._clock = clock
        self.risen_at = clock.now()
        self._calls: list[Call] = []
        # The protocol is named since event loops send without delay only where it is.
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        app = Starlette(routes=[Route("/{endpoint}/{tenant}", self._respond, methods=["GET", "POST"])])
        config = uvicorn.Config(
            app,
            loop="asyncio",  # the demo may run on trio: that is the callers' side
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # connections that break in mid-answer are meant to
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="demo provider", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_PATIENCE)
        self._listener.close()

    @property
    def url(self) -> str:
        """Where it listens, without a final slash."""
        host, port = self._listener.getsockname()
        return f"http://{host}:{port}"

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call since the curtain rose, in order of arrival."""
        return tuple(self._calls)

    @property
    def elapsed(self) -> float:
        """Hours since the curtain rose."""
        return hours(self._clock.now() - self.risen_at)

    def restart(self) -> None:
        """Raise the curtain: forget all calls, and begin the script."""
        self.risen_at = self._clock.now()
        self._calls.clear()

    def _serve(self) -> None:
        self._server.run(sockets=[self._listener])

    async def _respond(self, request: Request) -> Response:
        try:
            endpoint = Endpoint(request.path_params["endpoint"])
        except ValueError:
            return JSONResponse({"error": "not_found"}, HTTPStatus.NOT_FOUND)
        tenant, at = request.path_params["tenant"], self.elapsed
        grant = int(request.headers.get("Authorization", "Bearer 0").removeprefix("Bearer "))
        fault = self.script.meets(at, endpoint, tenant, grant)
        self._calls.append(Call(at, request.headers.get(CALLER, ""), tenant, endpoint, fault))
        if fault is None:
            return JSONResponse({"tenant": tenant, "served_at": round(at, 3)})
        if fault.how is Misbehaviour.SLOW:
            await anyio.sleep(_SLOW)
            return JSONResponse({"tenant": tenant, "served_at": round(self.elapsed, 3)})
        return refusal(fault, endpoint, now=self._clock.now(), ends_at=self.risen_at + fault.ends * HOUR)


def refusal(fault: Fault, endpoint: Endpoint, *, now: datetime, ends_at: datetime) -> Response:
    """Return how the provider says no, *now*, to a call of *endpoint* that meets *fault*."""
    left = (ends_at - now).total_seconds()
    wait = {"Retry-After": str(max(1, math.ceil(left)))}  # whole seconds: RFC 9110, 10.2.3
    match fault.how:
        case Misbehaviour.RATE_LIMIT:
            return JSONResponse({"error": "rate_limited"}, HTTPStatus.TOO_MANY_REQUESTS, wait)
        case Misbehaviour.QUOTA:
            body = {"error": "daily_quota_exceeded", "resets_at": ends_at.isoformat()}
            return JSONResponse(body, HTTPStatus.TOO_MANY_REQUESTS)
        case Misbehaviour.REVOKED if endpoint is Endpoint.TOKEN:
            return JSONResponse({"error": "invalid_grant"}, HTTPStatus.BAD_REQUEST)  # RFC 6749, 5.2
        case Misbehaviour.REVOKED:
            return JSONResponse({"error": "invalid_token"}, HTTPStatus.UNAUTHORIZED)
        case Misbehaviour.BLIP:
            return StreamingResponse(_cut_short(), headers={"Content-Length": "64"})
        case _:
            return JSONResponse({"error": "unavailable"}, HTTPStatus.SERVICE_UNAVAILABLE)


def _cut_short() -> Iterable[bytes]:
    yield b'{"tenant"'
