"""What providers answer, by their documentation, and what each answer means: read from `answers.jsonl`."""

import json
from pathlib import Path
from typing import Any

import attrs

_FILE = Path(__file__).parent / "answers.jsonl"


@attrs.frozen(kw_only=True)
class Answer:
    """
    One answer of a provider.

    Args:
        body: JSON, or bytes as they are sent.
        code: What it means.
        documentation: The page that describes it.
    """

    status: int
    body: Any
    code: str
    headers: dict[str, str] = attrs.field(factory=dict)
    family: str = ""
    documentation: str = ""


def documented(family: str) -> list[Answer]:
    """Return what the providers of *family* answer."""
    entries = [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()]
    return [Answer(**entry) for entry in entries if entry["family"] == family]


STATUSES = {
    400: "config_error.payload",
    401: "auth_error.expired",
    402: "api_limit.billing",
    403: "auth_error.forbidden",
    404: "config_error.not_found",
    405: "config_error.payload",
    408: "network_error.upstream",
    409: "network_error.conflict",
    410: "config_error.not_found",
    413: "config_error.payload",
    422: "config_error.payload",
    423: "network_error.conflict",
    429: "api_limit.rate",
    451: "config_error.legal",
    500: "network_error.upstream",
    502: "network_error.upstream",
    503: "network_error.upstream",
    504: "network_error.upstream",
    529: "network_error.upstream",
}
"""HTTP status to what it means by itself."""
