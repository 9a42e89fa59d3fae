"""HTTP clients."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import anyio

from tests.classify import servers
from tests.classify.answers import STATUSES, Answer, documented
from tests.classify.raising.case import SHORT, Case, asking, at_port, calling, on_asyncio, over, over_tls


def get_by_httpx(url: str, **options: Any) -> Any:
    httpx = import_module("httpx")
    return httpx.get(url, trust_env=False, **{"timeout": 5, **options}).raise_for_status().json()


def _requests(url: str, **options: Any) -> Any:
    session = import_module("requests").Session()
    session.trust_env = False
    with session:
        response = session.get(url, **{"timeout": 5, **options})
        response.raise_for_status()
        return response.json()


def _urllib(url: str, timeout: float = 5) -> Any:
    import json
    from urllib import error, request

    try:
        with request.build_opener(request.ProxyHandler({})).open(url, timeout=timeout) as response:
            return json.loads(response.read())
    except error.HTTPError as problem:
        problem.close()
        raise


def _aiohttp(url: str, timeout: float = 5, **options: Any) -> Any:
    aiohttp = import_module("aiohttp")

    async def get() -> Any:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as session,
            session.get(url, raise_for_status=True, **options) as response,
        ):
            return await response.json()

    return on_asyncio(get)


CLIENTS: dict[str, Callable[..., Any]] = {
    "httpx": get_by_httpx,
    "requests": _requests,
    "aiohttp": _aiohttp,
    "python": _urllib,
}


def clients_cases() -> Iterator[Case]:
    for library, get in CLIENTS.items():
        for status, code in STATUSES.items():
            yield Case(library, f"status {status}", code, asking(get, Answer(status=status, body=None, code=code)))
    for family in ("OAuth", "Google", "GitHub"):
        for number, answer in enumerate(documented(family.lower())):
            yield Case(
                "httpx",
                f"{family} answer {number}",
                answer.code,
                asking(get_by_httpx, answer),
                documentation=answer.documentation,
            )


def transports_cases() -> Iterator[Case]:
    talks = {
        "a server that hangs up": (servers.hanging_up, "network_error.reset"),
        "a reset": (servers.resetting, "network_error.reset"),
        "a truncated body": (servers.truncating, "network_error.reset"),
        "a page where JSON was expected": (servers.html, "unknown.response"),
        "a server that never answers": (servers.silent, "network_error.timeout"),
    }
    for library, get in CLIENTS.items():
        for name, (talk, code) in talks.items():
            timeout = SHORT if talk is servers.silent else 5
            yield Case(
                library,
                name,
                code,
                over(talk, at_port(get, timeout=timeout)),
            )
        port = servers.closed_port()
        yield Case(
            library,
            "nobody listens",
            "network_error.refused",
            calling(get, f"http://127.0.0.1:{port}/"),
        )
        yield Case(library, "no such host", "network_error.dns", calling(get, "http://no-such-host.invalid/"))
        yield Case(
            library,
            "a certificate of its own",
            "network_error.tls",
            over_tls(at_port(get, "https://localhost:{}/")),
        )
    yield Case("httpx", "a URL without a scheme", "config_error.url", lambda _: get_by_httpx("example.org"))
    yield Case("requests", "a URL without a scheme", "config_error.url", lambda _: _requests("example.org"))
    yield Case("aiohttp", "a URL without a scheme", "config_error.url", lambda _: _aiohttp("example.org"))
    yield Case("requests", "an unknown scheme", "config_error.url", lambda _: _requests("gopher://example.org"))
    yield Case("httpx", "a pool that is too small", "unknown.internal_pool", over(servers.silent, _httpx_pool))
    yield Case(
        "httpx",
        "a server that speaks no HTTP",
        "network_error.reset",
        over(servers.babbling, lambda port: get_by_httpx(f"http://127.0.0.1:{port}/")),
    )


def _httpx_pool(port: int) -> None:
    httpx = import_module("httpx")

    async def crowd() -> None:
        limits, timeout = httpx.Limits(max_connections=1), httpx.Timeout(5, pool=SHORT)
        async with (
            httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False) as client,
            anyio.create_task_group() as tg,
        ):
            tg.start_soon(client.get, f"http://127.0.0.1:{port}/")
            await anyio.wait_all_tasks_blocked()
            try:
                await client.get(f"http://127.0.0.1:{port}/")
            finally:
                tg.cancel_scope.cancel()

    on_asyncio(crowd)
