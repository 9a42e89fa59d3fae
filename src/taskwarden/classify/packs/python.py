"""Python itself, and Taskwarden."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Meaning, Pack, Phrase

__all__ = ["PYTHON"]

PYTHON: Final = Pack(
    name="python",
    types={
        "builtins.TimeoutError": "network_error.timeout",
        "builtins.ConnectionRefusedError": "network_error.refused",
        "builtins.ConnectionAbortedError": "network_error.reset",
        "builtins.ConnectionResetError": "network_error.reset",
        "builtins.BrokenPipeError": "network_error.reset",
        "builtins.MemoryError": "unknown.internal_host",
        "asyncio.exceptions.IncompleteReadError": "network_error.reset",
        "concurrent.futures._base.TimeoutError": "network_error.timeout",
        "http.client.RemoteDisconnected": "network_error.reset",
        "http.client.IncompleteRead": "network_error.reset",
        "http.client.InvalidURL": "config_error.url",
        "socket.gaierror": "network_error.dns",
        "socket.herror": "network_error.dns",
        "ssl.SSLEOFError": "network_error.reset",
        "ssl.SSLZeroReturnError": "network_error.reset",
        "ssl.SSLError": "network_error.tls",
        "ftplib.error_temp": "network_error.upstream",
        "imaplib.IMAP4.abort": "network_error.reset",
        "poplib.error_proto": "unknown.response",
        "taskwarden.errors.StoreUnavailable": "unknown.internal_store",
        "taskwarden.errors.PayloadRejected": Meaning("config_error.payload", definitive=True),
    },
    broad={
        "builtins.ConnectionError": "network_error.reset",
        "http.client.HTTPException": "unknown.response",
        "urllib.error.URLError": "network_error.refused",
    },
    content={
        "json.decoder.JSONDecodeError": "unknown.response",
        "http.client.BadStatusLine": "unknown.response",
        "http.client.LineTooLong": "unknown.response",
        "xml.etree.ElementTree.ParseError": "unknown.response",
        "xml.parsers.expat.ExpatError": "unknown.response",
        "csv.Error": "unknown.response",
        "_csv.Error": "unknown.response",
        "zlib.error": "unknown.response",
        "zipfile.BadZipFile": "unknown.response",
        "binascii.Error": "unknown.response",
        "tomllib.TOMLDecodeError": "config_error.payload",
    },
    bugs={
        "builtins.ArithmeticError": "unknown.bug",
        "builtins.AssertionError": "unknown.bug",
        "builtins.AttributeError": "unknown.bug",
        "builtins.ImportError": "unknown.bug",
        "builtins.LookupError": "unknown.bug",
        "builtins.NameError": "unknown.bug",
        "builtins.NotImplementedError": "unknown.bug",
        "builtins.RecursionError": "unknown.bug",
        "builtins.StopIteration": "unknown.bug",
        "builtins.SyntaxError": "config_error.payload",  # of a text that was given: our own code would not have started
        "builtins.TypeError": "unknown.bug",
        "builtins.UnicodeError": "unknown.bug",
        "builtins.KeyboardInterrupt": "unknown.bug",  # an executor's own: the runner stops before it asks
        "builtins.SystemExit": "unknown.bug",
        "asyncio.exceptions.InvalidStateError": "unknown.bug",
        "builtins.FileExistsError": "config_error.file",
        "builtins.FileNotFoundError": "config_error.file",
        "builtins.IsADirectoryError": "config_error.file",
        "builtins.NotADirectoryError": "config_error.file",
        "builtins.PermissionError": "config_error.file",
    },
    faint={
        "builtins.ValueError": "unknown.bug",
    },
    phrases=[
        # Python's own words for a mistake
        Phrase("invalid literal for", "unknown.bug", sharp=True),
        Phrase("could not convert string to", "unknown.bug", sharp=True),
        Phrase("values to unpack", "unknown.bug", r"(?:not enough|too many) values to unpack", sharp=True),
        Phrase("unsupported operand type", "unknown.bug", sharp=True),
        Phrase("index out of range", "unknown.bug", sharp=True),
        Phrase("object", "unknown.bug", r"'\w+' object (?:has no attribute|is not \w+|does not support)", sharp=True),
        Phrase(
            "positional argument", "unknown.bug", r"\w+\(\) (?:takes|missing) .{1,40}positional arguments?", sharp=True
        ),
        Phrase("unexpected keyword argument", "unknown.bug", sharp=True),
        Phrase("by zero", "unknown.bug", r"division (?:or modulo )?by zero", sharp=True),
        Phrase("maximum recursion depth exceeded", "unknown.bug", sharp=True),
    ],
    neutral={
        "asyncio.exceptions.CancelledError": "unknown.cancelled",
        "concurrent.futures._base.CancelledError": "unknown.cancelled",
        "trio.Cancelled": "unknown.cancelled",
    },
)
