"""What a case is, and what cases are made of."""

import platform
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import attrs

from tests.classify import servers
from tests.classify.answers import Answer
from tests.classify.servers import Web

Act = Callable[[Web], object]
SHORT = 0.2
"""Seconds to wait for a server that never answers."""


@attrs.frozen
class Case:
    """
    A library at work.

    Args:
        library: The distribution that raises.
        name: What happens; unique with the library.
        code: What it means.
        act: Does it; must raise.
    """

    library: str
    name: str
    code: str
    act: Act
    definitive: bool | None = None
    documentation: str = ""

    @property
    def id(self) -> str:
        return f"{self.library}: {self.name}"

    @property
    def source(self) -> str:
        """Which library raised it, in which version, and when."""
        known = platform.python_version() if self.library == "python" else version(self.library)
        return f"{self.library} {known}: {self.name}" + (self.documentation and f"; {self.documentation}")


def asking(ask: Callable[[str], object], answer: Answer) -> Act:
    """Return what asks a server that gives *answer*, by its URL."""
    return lambda web: ask(web.answering(answer.status, answer.body, answer.headers))


def calling(ask: Callable[[str], object], url: str) -> Act:
    """Return what asks *url*, whatever server there is."""
    return lambda _: ask(url)


def at_port(ask: Callable[..., object], url: str = "http://127.0.0.1:{}/", **options: Any) -> Callable[[int], object]:
    """Return what asks *url* at a port."""
    return lambda port: ask(url.format(port), **options)


def on_asyncio(act: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(act, backend="asyncio")


def over(talk: servers.Talk, act: Callable[[int], object]) -> Act:
    def over(_: Web) -> None:
        with servers.talking(talk) as port:
            act(port)

    return over


def over_tls(act: Callable[[int], object]) -> Act:
    def over(_: Web) -> None:
        with certificate() as (context, _path):

            def talk(connection: Any) -> None:
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(100)

            with servers.talking(talk) as port:
                act(port)

    return over


@contextmanager
def certificate() -> Iterator[tuple[ssl.SSLContext, str]]:
    """Make a certificate that nobody has signed."""
    if (openssl := shutil.which("openssl")) is None:
        raise ModuleNotFoundError("there is no openssl on the path", name="openssl")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "both.pem"))
        made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
        files = ["-keyout", path + ".key", "-out", path]
        subprocess.run([openssl, *made.split(), *files], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path, path + ".key")
        yield context, path
