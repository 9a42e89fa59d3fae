"""Phrases that say more than a status or a code beside them: they go first."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Phrase
from taskwarden.classify.packs.phrases.vocabulary import BE, CREDENTIAL, GAP

__all__ = ["NOTHING", "SHARP"]

NOTHING: Final = (
    Phrase(
        "cancel",
        "unknown.cancelled",
        r"(?:the |this )?(?:task|job|run|operation|request|work)? ?(?:was |has been |"
        r"is )?cancell?ed(?: by (?:the )?(?:user|operator|admin|administrator|client|caller))?",
        whole=True,
        sharp=True,
    ),
    Phrase(
        "authorization pending",
        "auth_error.pending",
        r"(?:the )?authorization (?:request )?(?:is )?(?:still )?pending(?: .{0,80})?",
        whole=True,
        sharp=True,
    ),
)


SHARP: Final = (
    # What looks like a limit or a credential and is none
    Phrase("character limit", "config_error.payload", r"character limit(?: (?:of \d+ )?(?:reached|exceeded))?"),
    Phrase("unexpected token", "unknown.response", r"unexpected token\b.{0,40}"),
    Phrase("not valid json", "unknown.response", r"(?:is )?not valid json"),
    Phrase(
        "robots.txt", "config_error.policy", r"(?:forbidden|disallowed|blocked|denied|excluded) by (?:the )?robots\.txt"
    ),
    Phrase("context", "config_error.payload", r"context (?:window|length|size)"),
    Phrase("prompt is too long", "config_error.payload"),
    Phrase("too many tokens in", "config_error.payload"),
    Phrase("too many redirects", "config_error.url"),
    Phrase("exceeded 30 redirects", "config_error.url"),
    Phrase("too many open files", "unknown.internal_host"),
    Phrase("no space left on device", "unknown.internal_host"),
    Phrase("cannot allocate memory", "unknown.internal_host"),
    # Limits that are not passing ones
    Phrase("check your plan and billing", "api_limit.billing"),
    Phrase("exceeded your current quota", "api_limit.billing", r"exceeded your current quota, please check"),
    Phrase("billing hard limit", "api_limit.billing"),
    Phrase(
        "billing",
        "api_limit.billing",
        r"billing (?:account )?(?:is |has )?(?:been )?(?:not |dis)(?:active|abled|enabled)|enable billing",
    ),
    Phrase("insufficient", "api_limit.billing", r"insufficient (?:account |prepaid )?(?:credits?|balance|funds|quota)"),
    Phrase(
        "credits",
        "api_limit.billing",
        r"credits? (?:is |are )?(?:required|exhausted|depleted|too low|used up|remaining: 0)|(?:not enough|no|"
        r"zero) (?:\w+ )?credits?(?: left| remaining)?",
    ),
    Phrase("out of credits", "api_limit.billing", r"(?:run |ran )?out of credits?"),
    Phrase("payment required", "api_limit.billing"),
    Phrase(
        "subscription",
        "api_limit.billing",
        r"(?:subscription|trial|plan) (?:has |is )?(?:expired|inactive|ended|cancell?ed)",
    ),
    Phrase("upgrade your plan", "api_limit.billing", r"(?:please )?upgrade your plan"),
    Phrase("daily", "api_limit.quota_daily", r"daily (?:\w+ ){0,3}(?:limit|quota|cap|allowance)s?"),
    Phrase("per day", "api_limit.quota_daily", r"(?:quota|limit|requests|queries|calls|tokens)\b.{0,80}\bper day"),
    Phrase("monthly", "api_limit.quota", r"monthly (?:\w+ ){0,3}(?:limit|quota|cap|allowance)s?"),
    # Taken back
    Phrase("revoked", "auth_error.revoked", rf"{CREDENTIAL}{GAP}{BE}(?:\w+ or )?revoked|revoked {CREDENTIAL}"),
    Phrase("refresh", "auth_error.refresh", rf"refresh\w* {CREDENTIAL}\b.{{0,20}}\b40[0-3]\b"),
    Phrase("user disconnected", "auth_error.revoked"),
    Phrase(
        "insufficient", "auth_error.scope", r"insufficient (?:authentication |oauth |auth )?(?:scopes?|permissions?)"
    ),
    Phrase(
        "scope",
        "auth_error.scope",
        r"(?:missing|lacks?|lacking|requires?|without|needs?|insufficient)(?: [\w'\".:/-]+){0,4}? scopes?",
    ),
)
