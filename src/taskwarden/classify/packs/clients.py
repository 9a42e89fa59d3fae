"""HTTP clients: httpx, httpcore, requests, urllib3, aiohttp, websockets."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Pack

__all__ = ["CLIENTS"]

_HTTPX: Final = {
    "PoolTimeout": "unknown.internal_pool",  # the host's own pool is too small: no provider is to blame
    "TimeoutException": "network_error.timeout",
    "RemoteProtocolError": "network_error.reset",
    "ProxyError": "network_error.proxy",
    "UnsupportedProtocol": "config_error.url",
    "InvalidURL": "config_error.url",
    "TooManyRedirects": "config_error.url",
}
_AIOHTTP: Final = "aiohttp.client_exceptions."
_REQUESTS: Final = "requests.exceptions."
_URLLIB3: Final = "urllib3.exceptions."

CLIENTS: Final = Pack(
    name="clients",
    types={
        **{f"{package}.{name}": code for package in ("httpx", "httpx2") for name, code in _HTTPX.items()},
        "httpcore.TimeoutException": "network_error.timeout",
        "httpcore.PoolTimeout": "unknown.internal_pool",
        "httpcore.RemoteProtocolError": "network_error.reset",
        "httpcore.ProxyError": "network_error.proxy",
        "httpcore.UnsupportedProtocol": "config_error.url",
        _REQUESTS + "ConnectTimeout": "network_error.timeout",
        _REQUESTS + "Timeout": "network_error.timeout",
        _REQUESTS + "SSLError": "network_error.tls",
        _REQUESTS + "ProxyError": "network_error.proxy",
        _REQUESTS + "ChunkedEncodingError": "network_error.reset",
        _REQUESTS + "InvalidURL": "config_error.url",
        _REQUESTS + "InvalidSchema": "config_error.url",
        _REQUESTS + "MissingSchema": "config_error.url",
        _REQUESTS + "TooManyRedirects": "config_error.url",
        _REQUESTS + "URLRequired": "config_error.url",
        _REQUESTS + "InvalidHeader": "config_error.payload",
        _URLLIB3 + "NameResolutionError": "network_error.dns",
        _URLLIB3 + "ReadTimeoutError": "network_error.timeout",
        _URLLIB3 + "ConnectTimeoutError": "network_error.timeout",
        _URLLIB3 + "TimeoutError": "network_error.timeout",
        _URLLIB3 + "SSLError": "network_error.tls",
        _URLLIB3 + "ProxyError": "network_error.proxy",
        _URLLIB3 + "IncompleteRead": "network_error.reset",
        _URLLIB3 + "LocationValueError": "config_error.url",
        _URLLIB3 + "EmptyPoolError": "unknown.internal_pool",
        _URLLIB3 + "FullPoolError": "unknown.internal_pool",
        _AIOHTTP + "ServerTimeoutError": "network_error.timeout",
        _AIOHTTP + "ClientConnectorDNSError": "network_error.dns",
        _AIOHTTP + "ClientSSLError": "network_error.tls",
        _AIOHTTP + "ClientConnectorCertificateError": "network_error.tls",
        _AIOHTTP + "ServerFingerprintMismatch": "network_error.tls",
        _AIOHTTP + "ClientProxyConnectionError": "network_error.proxy",
        _AIOHTTP + "ClientConnectionResetError": "network_error.reset",
        _AIOHTTP + "ServerDisconnectedError": "network_error.reset",
        _AIOHTTP + "ClientPayloadError": "network_error.reset",
        _AIOHTTP + "InvalidURL": "config_error.url",
        _AIOHTTP + "NonHttpUrlClientError": "config_error.url",
        _AIOHTTP + "TooManyRedirects": "config_error.url",
        "websockets.exceptions.InvalidURI": "config_error.url",
        "websockets.exceptions.InvalidHandshake": "unknown.response",
    },
    labels={
        # The names of errno, which other languages write into their messages
        "ETIMEDOUT": "network_error.timeout",
        "ESOCKETTIMEDOUT": "network_error.timeout",
        "UND_ERR_CONNECT_TIMEOUT": "network_error.timeout",
        "ECONNABORTED": "network_error.timeout",  # axios says so of a timeout
        "ECONNREFUSED": "network_error.refused",
        "ECONNRESET": "network_error.reset",
        "UND_ERR_SOCKET": "network_error.reset",
        "EHOSTUNREACH": "network_error.unreachable",
        "ENETUNREACH": "network_error.unreachable",
        "ENOTFOUND": "network_error.dns",
        "EAI_AGAIN": "network_error.dns",
        "EAI_NONAME": "network_error.dns",
        "CERT_HAS_EXPIRED": "network_error.tls",
        "DEPTH_ZERO_SELF_SIGNED_CERT": "network_error.tls",
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE": "network_error.tls",
    },
    content={
        "httpx.DecodingError": "unknown.response",
        "httpx2.DecodingError": "unknown.response",
        _REQUESTS + "InvalidJSONError": "unknown.response",
        _REQUESTS + "ContentDecodingError": "unknown.response",
        _URLLIB3 + "DecodeError": "unknown.response",
        _URLLIB3 + "InvalidHeader": "unknown.response",
        _URLLIB3 + "HeaderParsingError": "unknown.response",
        _AIOHTTP + "ContentTypeError": "unknown.response",
        "aiohttp.http_exceptions.HttpProcessingError": "unknown.response",
    },
    broad={
        "httpx.ConnectError": "network_error.refused",
        "httpx.NetworkError": "network_error.reset",
        "httpx2.ConnectError": "network_error.refused",
        "httpx2.NetworkError": "network_error.reset",
        "httpcore.ConnectError": "network_error.refused",
        "httpcore.NetworkError": "network_error.reset",
        "aiohttp.http_exceptions.TransferEncodingError": "network_error.reset",
        _REQUESTS + "ConnectionError": "network_error.refused",
        _URLLIB3 + "NewConnectionError": "network_error.refused",
        _URLLIB3 + "ProtocolError": "network_error.reset",
        _AIOHTTP + "ClientConnectorError": "network_error.refused",
        _AIOHTTP + "ClientOSError": "network_error.reset",
        _AIOHTTP + "ClientConnectionError": "network_error.reset",
        "websockets.exceptions.ConnectionClosed": "network_error.reset",
    },
    bugs={
        "httpx.StreamError": "unknown.bug",
        "httpx2.StreamError": "unknown.bug",
        "httpx.LocalProtocolError": "config_error.payload",
        "httpx2.LocalProtocolError": "config_error.payload",
        "httpcore.LocalProtocolError": "config_error.payload",
    },
)
