"""SDKs of services."""

from collections.abc import Iterator
from importlib import import_module

from tests.classify.answers import documented
from tests.classify.raising.case import Case, asking


def _stripe(url: str) -> None:
    stripe = import_module("stripe")
    stripe.StripeClient("sk_test_x", base_addresses={"api": url}, max_network_retries=0).v1.customers.retrieve("cus_x")


def _github(url: str) -> None:
    github = import_module("github")
    client = github.Github(auth=github.Auth.Token("x"), base_url=url, retry=None, timeout=5)
    try:
        client.get_repo("owner/name")
    finally:
        client.close()


def services_cases() -> Iterator[Case]:
    for number, answer in enumerate(documented("stripe")):
        yield Case(
            "stripe", f"answer {number}", answer.code, asking(_stripe, answer), documentation=answer.documentation
        )
    for number, answer in enumerate(documented("github")):
        yield Case(
            "PyGithub", f"answer {number}", answer.code, asking(_github, answer), documentation=answer.documentation
        )
