"""The codes that the shipped packs use, and what each means: one table, so that advice can be given for every code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["CODES", "DEFINITIVE", "NEUTRAL"]

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "api_limit": "the provider limits the calls, and nothing says how",
        "api_limit.billing": "the account's credit, plan or payment does not cover the call",
        "api_limit.concurrency": "too many calls, connections or jobs at the same time",
        "api_limit.quota": "a quota is used up; it does not say until when",
        "api_limit.quota_daily": "a quota of the day is used up",
        "api_limit.rate": "too many calls in a short time",
        "auth_error": "the access is refused, and nothing says why",
        "auth_error.client": "the application's own registration with the provider is refused: all tenants are hit",
        "auth_error.expired": "the credential has expired, or is not accepted any more: renew it",
        "auth_error.forbidden": "the credential is known, and may not do this",
        "auth_error.invalid": "the credential is wrong",
        "auth_error.missing": "there is no credential",
        "auth_error.pending": "the user has not answered yet; neutral",
        "auth_error.refresh": "a token could not be renewed, and nothing says why",
        "auth_error.revoked": "the user or the provider has taken the access back",
        "auth_error.scope": "a permission was not granted",
        "config_error": "the task asks for what cannot be, and nothing says what is wrong with it",
        "config_error.declined": "a payment was declined",
        "config_error.file": "a file or folder cannot be used",
        "config_error.legal": "the content is withheld for legal reasons",
        "config_error.not_found": "what is asked for does not exist",
        "config_error.payload": "the request is refused for what is in it",
        "config_error.policy": "the content is against the provider's rules",
        "config_error.setting": "a setting of the client is missing or wrong",
        "config_error.unsupported": "the provider does not offer this",
        "config_error.url": "the address is no address",
        "network_error": "the provider was not reached, and nothing says why",
        "network_error.conflict": "the state at the provider changed in between",
        "network_error.dns": "the host's name cannot be resolved",
        "network_error.proxy": "a proxy stands in the way",
        "network_error.refused": "the host refuses connections",
        "network_error.reset": "the connection broke",
        "network_error.timeout": "there was no answer in time",
        "network_error.tls": "no trusted connection could be made",
        "network_error.unreachable": "there is no way to the host",
        "network_error.upstream": "the provider itself is failing",
        "unknown": "nothing is known",
        "unknown.bug": "a mistake in the host's own code",
        "unknown.cancelled": "somebody cancelled the work; neutral",
        "unknown.internal_db": "the host's own database",
        "unknown.internal_host": "the host's own machine: disk, memory, open files",
        "unknown.internal_pool": "the host's own pool of connections is too small",
        "unknown.internal_store": "the store of tasks cannot be reached",
        "unknown.response": "the answer is not what was expected",
    }
)
"""Every code of the shipped packs, with its meaning. Hosts' packs may use others."""
NEUTRAL: Final = frozenset({"auth_error.pending", "unknown.cancelled"})
"""Codes of what is no failure: nothing should be counted."""
DEFINITIVE: Final = frozenset({"auth_error.revoked", "auth_error.scope"})
"""Codes for which a repetition cannot help, where the provider named them by a code of its own."""
