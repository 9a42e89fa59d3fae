"""What operating system, database and mail server say by number: errno, SQLSTATE, SMTP replies."""

from __future__ import annotations

import errno
import re
from typing import Any, Final

__all__ = ["ERRNO", "errno_of", "number_of", "replies_of", "state_of"]

ERRNO: Final = {
    number: code
    for code, names in {
        "network_error.refused": ("ECONNREFUSED",),
        "network_error.reset": ("ECONNRESET", "ECONNABORTED", "EPIPE", "ENOTCONN", "ESHUTDOWN", "ENETRESET"),
        "network_error.timeout": ("ETIMEDOUT",),
        "network_error.unreachable": ("ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH"),
        "unknown.internal_host": ("ENOSPC", "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EIO", "EROFS", "EADDRNOTAVAIL"),
    }.items()
    for name in names
    if (number := getattr(errno, name, None)) is not None  # Windows lacks some
}
_STATE: Final = re.compile(r"[0-9A-Z]{5}", re.ASCII)
_ENHANCED: Final = re.compile(r"\A\W*(?:\d{3}[ -])?([245]\.\d{1,3}\.\d{1,3})\b", re.ASCII)  # RFC 3463


def errno_of(error: BaseException) -> int | None:
    """Return the operating system's number, where there is one."""
    number = error.errno if isinstance(error, OSError) else None
    return number if isinstance(number, int) else None


def state_of(error: BaseException) -> str | None:
    """Return the SQLSTATE that a database's driver put on *error*."""
    for name in ("sqlstate", "pgcode"):
        value = getattr(error, name, None)
        if isinstance(value, str) and _STATE.fullmatch(value):
            return value
    return None


def number_of(error: BaseException) -> int | None:
    """Return the number that is *error*'s first argument, as drivers of MySQL have it."""
    first = error.args[0] if error.args else None
    return first if type(first) is int else None


def replies_of(error: BaseException) -> tuple[str, ...]:
    """Return the codes of the mail server's reply, the enhanced one (RFC 3463) first; the worst of many."""
    refused = getattr(error, "recipients", None)
    if isinstance(refused, dict) and refused:
        replies = [reply for reply in refused.values() if isinstance(reply, tuple) and len(reply) == 2]
        code, text = max(replies, key=lambda reply: int(reply[0]))
    else:
        code, text = getattr(error, "smtp_code", None), getattr(error, "smtp_error", None)
        if code is None:  # aiosmtplib
            code, text = getattr(error, "code", None), getattr(error, "message", None)
    if not isinstance(code, int) or not 400 <= code <= 599:
        return ()
    enhanced = _ENHANCED.match(_text(text))
    return (str(int(code)),) if enhanced is None else (enhanced[1], str(int(code)))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value[:200].decode("ascii", "replace")
    return value[:200] if isinstance(value, str) else ""
