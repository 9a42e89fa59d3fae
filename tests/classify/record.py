"""
Write what real libraries raise here into the corpus: ``python -m tests.classify.record``.

Run it where the dependency group `sdks` is installed. A line says what the case says it means, not what the classifier
thinks: look at the difference before you keep it. What is in a message by chance (ports, dates) is left as it is.
"""

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import attrs

from taskwarden.classify.corpus import recorded
from tests.classify.raising import Case, cases
from tests.classify.servers import web

CORPUS = Path(__file__).parent / "corpus"
LESS = {
    "aiohttp: a URL without a scheme": None,  # it is the URL
    "httpx: a pool that is too small": None,  # that of an exception group
    "python: a key that is missing": None,  # it is the key
    "tenacity: status 401, twice": None,  # names of classes
    "tenacity: status 429, twice": None,
    "tenacity: status 503, twice": None,
    "tenacity: no such host, twice": None,
    "openai: nobody listens": "network_error",  # "Connection error."
    "openai: no such host": "network_error",
    "openai: a server that hangs up": "network_error",
    "anthropic: nobody listens": "network_error",
    "anthropic: no such host": "network_error",
    "anthropic: a server that hangs up": "network_error",
    "botocore: no such host": "network_error",
    "google-api-core: answer 14": "api_limit",  # the day's limit is in the details only
    "stripe: answer 7": "unknown",  # "An unknown error occurred"
    "stripe: answer 8": "auth_error",
    "python: smtplib: no AUTH offered": None,  # it is what the server said before
    "redis: answer -NOAUTH": "auth_error.missing",  # nothing says that it is the host's own
    "redis: a server that never answers": "network_error.timeout",
}
"""What the message alone means, where it says less than the exception; None: nothing at all."""


def main() -> None:
    """Write the corpus of what was raised, and of the messages alone."""
    raised, texts = [], []
    with web() as site:
        for case in cases():
            try:
                case.act(site)
            except BaseException as error:  # whatever a library raises is what is wanted
                raised.append(line(case, raised=recorded(error)))
                text = str(error)
                code = LESS.get(case.id, case.code)
                answer = case.library == "httpx" and "answer" in case.name  # of which httpx tells the status only
                if text.strip() and code is not None and not answer:
                    texts.append(line(attrs.evolve(case, code=code), text=text))
    for name, found in (("raised", raised), ("messages", texts)):
        (CORPUS / f"{name}.jsonl").write_text("\n".join([*found, ""]), encoding="utf-8")
    sys.stdout.write(f"{len(raised)} exceptions, {len(texts)} messages\n")


def line(case: Case, **fixture: object) -> str:
    """Return a line of the corpus."""
    entry: dict[str, object] = {**fixture, "code": case.code, "source": case.source}
    if case.definitive is not None and "raised" in fixture:
        entry["definitive"] = case.definitive
    return re.sub(r"/[^\s\"']*/site-packages/", "site-packages/", json.dumps(entry, ensure_ascii=False))


if __name__ == "__main__":
    if find_spec("openai") is None:
        sys.exit("install the dependency group `sdks` first")
    main()
