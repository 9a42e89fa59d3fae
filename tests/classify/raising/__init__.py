"""
Cases in which real libraries raise, against servers on this machine; and what each exception means.

A library is imported where it is used, so that what is not installed is skipped by its own cases only.
"""

from collections.abc import Iterator

from tests.classify.raising.aws import aws_cases
from tests.classify.raising.case import Case
from tests.classify.raising.clients import clients_cases, transports_cases
from tests.classify.raising.databases import databases_cases
from tests.classify.raising.google import google_cases
from tests.classify.raising.mail import mail_cases, ssh_cases
from tests.classify.raising.models import models_cases
from tests.classify.raising.services import services_cases
from tests.classify.raising.wrappers import python_cases, wrapped_cases

__all__ = ["Case", "cases"]


def cases() -> Iterator[Case]:
    """Yield every case."""
    yield from clients_cases()
    yield from transports_cases()
    yield from models_cases()
    yield from google_cases()
    yield from aws_cases()
    yield from services_cases()
    yield from databases_cases()
    yield from mail_cases()
    yield from ssh_cases()
    yield from wrapped_cases()
    yield from python_cases()
