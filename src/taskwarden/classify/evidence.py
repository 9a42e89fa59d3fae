"""What one exception tells by its type: a table of qualified names, so that no SDK need be imported."""

from __future__ import annotations

import errno
from datetime import timedelta
from typing import Final

import attrs

from taskwarden.core.failure import Confidence

__all__ = ["Evidence", "by_errno", "by_type"]


@attrs.frozen(kw_only=True)
class Evidence:
    """
    What an exception tells.

    Args:
        code: As ``Failure.code``.
        confidence: How it was found.
        vague: Wrappers say it too: what is found behind the exception may be more exact, and then wins.
        status: The HTTP status, where it came from one.
    """

    code: str
    confidence: Confidence
    vague: bool = False
    definitive: bool = False
    retry_after: timedelta | None = None
    status: int | None = None


_EXACT: Final[dict[str, str]] = {
    # The standard library
    "builtins.TimeoutError": "network_error.timeout",
    "builtins.ConnectionRefusedError": "network_error.refused",
    "builtins.ConnectionAbortedError": "network_error.reset",
    "builtins.ConnectionResetError": "network_error.reset",
    "builtins.BrokenPipeError": "network_error.reset",
    "socket.gaierror": "network_error.dns",
    "socket.herror": "network_error.dns",
    "ssl.SSLEOFError": "network_error.reset",
    "ssl.SSLError": "network_error.tls",
    "json.decoder.JSONDecodeError": "unknown.response",
    # HTTP clients
    "httpx.PoolTimeout": "unknown.internal_pool",  # the host's own pool is too small: no provider is to blame
    "httpx.TimeoutException": "network_error.timeout",
    "httpx.RemoteProtocolError": "network_error.reset",
    "httpx.DecodingError": "unknown.response",
    "httpx.UnsupportedProtocol": "config_error.url",
    "httpx.InvalidURL": "config_error.url",
    "requests.exceptions.ConnectTimeout": "network_error.timeout",
    "requests.exceptions.Timeout": "network_error.timeout",
    "requests.exceptions.SSLError": "network_error.tls",
    "requests.exceptions.ChunkedEncodingError": "network_error.reset",
    "requests.exceptions.InvalidJSONError": "unknown.response",
    "requests.exceptions.InvalidURL": "config_error.url",
    "requests.exceptions.MissingSchema": "config_error.url",
    "urllib3.exceptions.NameResolutionError": "network_error.dns",
    "urllib3.exceptions.TimeoutError": "network_error.timeout",
    "urllib3.exceptions.SSLError": "network_error.tls",
    "aiohttp.client_exceptions.ServerTimeoutError": "network_error.timeout",
    "aiohttp.client_exceptions.ClientConnectorDNSError": "network_error.dns",
    "aiohttp.client_exceptions.ClientSSLError": "network_error.tls",
    "aiohttp.client_exceptions.ServerDisconnectedError": "network_error.reset",
    "aiohttp.client_exceptions.ClientPayloadError": "network_error.reset",
    "aiohttp.client_exceptions.ContentTypeError": "unknown.response",
    "aiohttp.client_exceptions.InvalidURL": "config_error.url",
    # The host's own parts
    "sqlalchemy.exc.TimeoutError": "unknown.internal_pool",
    "sqlalchemy.exc.InterfaceError": "unknown.internal_db",
    "sqlalchemy.exc.OperationalError": "unknown.internal_db",
    "sqlite3.OperationalError": "unknown.internal_db",
    "taskwarden.errors.StoreUnavailable": "unknown.internal_store",
    "taskwarden.errors.PayloadRejected": "config_error.payload",
}
_VAGUE: Final[dict[str, str]] = {
    "builtins.ConnectionError": "network_error.reset",
    "httpx.ConnectError": "network_error.refused",
    "httpx.NetworkError": "network_error.reset",
    "requests.exceptions.ConnectionError": "network_error.refused",
    "urllib3.exceptions.NewConnectionError": "network_error.refused",
    "urllib3.exceptions.ProtocolError": "network_error.reset",
    "aiohttp.client_exceptions.ClientConnectorError": "network_error.refused",
    "aiohttp.client_exceptions.ClientOSError": "network_error.reset",
    # Raised by the host's own code; often while it handles what really happened
    "builtins.ArithmeticError": "unknown.bug",
    "builtins.AssertionError": "unknown.bug",
    "builtins.AttributeError": "unknown.bug",
    "builtins.ImportError": "unknown.bug",
    "builtins.LookupError": "unknown.bug",
    "builtins.NameError": "unknown.bug",
    "builtins.NotImplementedError": "unknown.bug",
    "builtins.RecursionError": "unknown.bug",
    "builtins.SyntaxError": "unknown.bug",
    "builtins.TypeError": "unknown.bug",
    "builtins.ValueError": "unknown.bug",
    "builtins.KeyboardInterrupt": "unknown.bug",  # an executor's own: the runner stops before it asks
    "builtins.SystemExit": "unknown.bug",
}
_DEFINITIVE: Final = frozenset({"taskwarden.errors.PayloadRejected"})
_UNREACHABLE: Final = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH})


def by_type(error: BaseException) -> Evidence | None:
    """Return what the nearest of *error*'s classes that the tables know tells; None: they know none."""
    for each in type(error).__mro__:
        name = f"{each.__module__}.{each.__qualname__}"
        if name in _EXACT:
            return Evidence(code=_EXACT[name], confidence=Confidence.TYPE, definitive=name in _DEFINITIVE)
        if name in _VAGUE:
            return Evidence(code=_VAGUE[name], confidence=Confidence.TYPE, vague=True)
    return None


def by_errno(error: BaseException) -> Evidence | None:
    """Return what the operating system said, where it is that a host cannot be reached."""
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return Evidence(code="network_error.unreachable", confidence=Confidence.TYPE)
    return None
