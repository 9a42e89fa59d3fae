"""SDKs of language models."""

from collections.abc import Iterator
from importlib import import_module

from tests.classify import servers
from tests.classify.answers import documented
from tests.classify.raising.case import SHORT, Case, asking, at_port, calling, over


def _openai(url: str, timeout: float = 5) -> None:
    with import_module("openai").OpenAI(api_key="sk-x", base_url=url, max_retries=0, timeout=timeout) as client:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])


def _anthropic(url: str, timeout: float = 5) -> None:
    with import_module("anthropic").Anthropic(api_key="sk-x", base_url=url, max_retries=0, timeout=timeout) as client:
        client.messages.create(model="claude", max_tokens=5, messages=[{"role": "user", "content": "hello"}])


def models_cases() -> Iterator[Case]:
    for library, ask, answers in (
        ("openai", _openai, documented("openai")),
        ("anthropic", _anthropic, documented("anthropic")),
    ):
        for number, answer in enumerate(answers):
            yield Case(
                library, f"answer {number}", answer.code, asking(ask, answer), documentation=answer.documentation
            )
        port = servers.closed_port()
        yield Case(
            library,
            "nobody listens",
            "network_error.refused",
            calling(ask, f"http://127.0.0.1:{port}"),
        )
        yield Case(library, "no such host", "network_error.dns", calling(ask, "http://no-such-host.invalid"))
        yield Case(
            library,
            "a server that never answers",
            "network_error.timeout",
            over(servers.silent, at_port(ask, timeout=SHORT)),
        )
        yield Case(
            library,
            "a server that hangs up",
            "network_error.reset",
            over(servers.hanging_up, at_port(ask)),
        )
