"""What wraps other failures, and Python itself."""

from collections.abc import Iterator
from importlib import import_module

import anyio

from tests.classify import servers
from tests.classify.answers import Answer
from tests.classify.raising.case import Case, asking, on_asyncio
from tests.classify.raising.clients import get_by_httpx
from tests.classify.servers import Web


def _tenacity(url: str) -> None:
    tenacity = import_module("tenacity")
    tenacity.Retrying(stop=tenacity.stop_after_attempt(2), wait=tenacity.wait_none())(get_by_httpx, url)


def _urllib3(url: str, retries: int) -> None:
    urllib3 = import_module("urllib3")
    with urllib3.PoolManager(timeout=2) as pool:
        pool.request("GET", url, retries=urllib3.Retry(retries, status_forcelist=[503], backoff_factor=0))


def wrapped_cases() -> Iterator[Case]:
    for status, code in ((401, "auth_error.expired"), (429, "api_limit.rate"), (503, "network_error.upstream")):
        yield Case(
            "tenacity", f"status {status}, twice", code, asking(_tenacity, Answer(status=status, body=None, code=code))
        )
    yield Case(
        "tenacity", "no such host, twice", "network_error.dns", lambda _: _tenacity("http://no-such-host.invalid/")
    )
    yield Case(
        "urllib3",
        "nobody listens, twice",
        "network_error.refused",
        lambda _: _urllib3(f"http://127.0.0.1:{servers.closed_port()}/", 1),
    )
    yield Case(
        "urllib3", "no such host, twice", "network_error.dns", lambda _: _urllib3("http://no-such-host.invalid/", 1)
    )
    yield Case("urllib3", "status 503, twice", "network_error.upstream", lambda web: _urllib3(web.answering(503), 1))


def python_cases() -> Iterator[Case]:
    import json
    import socket

    xml = import_module("xml.etree.ElementTree")

    def resolve(_: Web) -> None:
        socket.getaddrinfo("no-such-host.invalid", 80)

    def timed_out(_: Web) -> None:
        async def late() -> None:
            with anyio.fail_after(0):
                await anyio.sleep_forever()

        on_asyncio(late)

    yield Case("python", "a name that does not resolve", "network_error.dns", resolve)
    yield Case("python", "a deadline that passed", "network_error.timeout", timed_out)
    yield Case("python", "JSON that is none", "unknown.response", lambda _: json.loads("<html>"))
    yield Case("python", "XML that is none", "unknown.response", lambda _: xml.fromstring("<a><b></a>"))
    yield Case("python", "a key that is missing", "unknown.bug", lambda _: {"id": 1}["connection_id"])
    yield Case("python", "an attribute that is missing", "unknown.bug", lambda _: None.strip())  # type: ignore[attr-defined]  # on purpose
    yield Case("python", "a number that is none", "unknown.bug", lambda _: int("x"))
    yield Case("python", "a division by zero", "unknown.bug", lambda _: 1 // 0)
    yield Case("python", "a file that is missing", "config_error.file", lambda _: open("/no/such/file"))  # noqa: PTH123, SIM115 - it must fail
