"""What is said of credentials and permissions."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Phrase
from taskwarden.classify.packs.phrases.vocabulary import BE, CREDENTIAL, GAP

__all__ = ["CREDENTIALS"]

CREDENTIALS: Final = (
    Phrase("invalid", "auth_error.invalid", rf"{CREDENTIAL}{GAP}{BE}invalid(?:ated)?|invalid {CREDENTIAL}"),
    Phrase("valid", "auth_error.invalid", rf"{CREDENTIAL}{GAP}{BE}(?:not|no longer) valid"),
    Phrase("malformed", "auth_error.invalid", rf"{CREDENTIAL}{GAP}{BE}malformed|malformed {CREDENTIAL}"),
    Phrase("unknown", "auth_error.invalid", rf"unknown {CREDENTIAL}"),
    Phrase("expire", "auth_error.expired", rf"{CREDENTIAL}{GAP}{BE}(?:expired|outdated|stale)|expired {CREDENTIAL}"),
    Phrase("wrong", "auth_error.invalid", rf"{CREDENTIAL} {BE}wrong|(?:wrong|bad) {CREDENTIAL}"),
    Phrase(
        "incorrect",
        "auth_error.invalid",
        rf"incorrect {CREDENTIAL}|{CREDENTIAL} {BE}incorrect|(?:username|user name|e-?mail|login) (?:or|and|"
        rf"/) password {BE}incorrect",
    ),
    Phrase(
        "username or password",
        "auth_error.invalid",
        r"(?:invalid|wrong|bad|incorrect) (?:username|user name|e-?mail|login) (?:or|and|/) password",
    ),
    Phrase("no longer valid", "auth_error.expired", rf"{CREDENTIAL} (?:is |are )no longer valid"),
    Phrase(
        "not ",
        "auth_error.missing",
        rf"{CREDENTIAL}{GAP}{BE}not (?:be )?(?:found|configured|set|available|provided|loaded|present|"
        rf"supplied)",
    ),
    Phrase(
        "no ",
        "auth_error.missing",
        rf"no (?:valid |usable |active |stored )?{CREDENTIAL} (?:was |were |is |are |has been |"
        rf"have been )?(?:found|provided|configured|available|set|stored|given|supplied)",
    ),
    Phrase(
        "missing",
        "auth_error.missing",
        rf"missing (?:or \w+ )?(?:the |an? |required )?{CREDENTIAL}|{CREDENTIAL}{GAP}{BE}missing",
    ),
    Phrase("empty", "auth_error.missing", rf"empty {CREDENTIAL}|{CREDENTIAL} {BE}empty"),
    Phrase(
        "not provide",
        "auth_error.missing",
        rf"(?:did not|didn't|have not|haven't) provided? (?:an? |any |the |your )?{CREDENTIAL}",
    ),
    Phrase("unable to locate credentials", "auth_error.missing"),
    Phrase("could not automatically determine credentials", "auth_error.missing"),
    Phrase(
        "credentials",
        "auth_error.missing",
        r"(?:default )?credentials were not found|could not (?:load|find) (?:the )?credentials",
    ),
    Phrase(
        "refresh",
        "auth_error.refresh",
        rf"(?:failed|unable|could not|couldn't|cannot|"
        rf"error)(?: to)? (?:while )?refresh(?:ing)? (?:the )?{CREDENTIAL}|{CREDENTIAL} refresh (?:failed|"
        rf"error)",
    ),
    Phrase(
        "reauth",
        "auth_error.expired",
        r"re-?auth(?:enticat|oriz)\w* (?:is )?(?:required|needed)|(?:please|must|need to) re-?auth(?:enticate|"
        r"orize)",
    ),
    Phrase("reconnect", "auth_error.expired", r"(?:please|must|needs? to) reconnect (?:your|the) \w+"),
    Phrase("log in again", "auth_error.expired", r"(?:log|sign) in again"),
    Phrase(
        "fail",
        "auth_error.invalid",
        r"(?:authenti(?:cation|cate)|log-?in|sign-?in|logon) (?:has |attempt )?(?:failed|failure)|"
        r"failed (?:to )?(?:log-?in|authenticate|sign in)|auth(?:entication)?[ _-]?fail\w*",
    ),
    Phrase(
        "authenticat",
        "auth_error.invalid",
        r"auth(?:enticat|ori[sz]at)ion (?:error|unsuccessful|rejected|denied|failed|failure)|(?:failed|"
        r"unable) to verify (?:the )?authentication|(?:could|can) ?not (?:be )?authenticated?|(?:unable to|"
        r"not) authenticated?",
    ),
    Phrase(
        "authentication required",
        "auth_error.missing",
        r"authentication (?:is )?required|(?:login|sign-?in|authorization) required",
    ),
    Phrase("authori", "auth_error.invalid", r"auth(?:ori[sz]ation) (?:error|rejected|failed|failure)"),
    Phrase("authori", "auth_error.forbidden", r"no authori[sz]ation|lacks? authori[sz]ation|authori[sz]ation denied"),
    Phrase(
        "valid",
        "auth_error.invalid",
        rf"(?:not|n't|without|no|provide|pass|use)(?: [\w-]+){{0,3}} valid {CREDENTIAL}|"
        rf"not a valid (?:\w+ ){{0,2}}(?:user|account|login|credential)",
    ),
    Phrase(
        "account",
        "auth_error.revoked",
        r"account\b.{0,60}\b(?:suspended|disabled|deactivated|banned|locked|closed|terminated|deleted)",
    ),
    Phrase(
        "log",
        "auth_error.missing",
        r"not (?:currently )?logged in|must (?:be logged|log) in|please log ?in|log-?in[ _]required",
    ),
    Phrase("two-factor", "auth_error.invalid", r"two-factor|2fa"),
    Phrase("challenge", "auth_error.expired", r"challenge[ _]required|checkpoint[ _]required"),
    Phrase(
        "signature",
        "auth_error.invalid",
        r"(?:invalid|bad|wrong) signature|signature (?:mismatch|does not match|is invalid|verification failed)",
    ),
    Phrase("unauthenticated", "auth_error.expired"),
    Phrase("unauthorized", "auth_error.expired", r"unauthori[sz]ed"),
    Phrase("not a", "auth_error.forbidden", r"not authori[sz]ed|(?:is|are|am) (?:currently )?not allowed"),
    Phrase("not ", "auth_error.forbidden", r"(?:is|are|am) not (?:permitted|entitled|approved)|only approved for"),
    Phrase(
        "permission",
        "auth_error.forbidden",
        r"permissions? (?:was |is )?denied|(?:do(?:es)? not|don't|doesn't|lacks?|without|insufficient|no|"
        r"missing|requires?)(?: have)?(?: [\w'\".:/-]+){0,4}? permissions?",
    ),
    Phrase(
        "have",
        "auth_error.forbidden",
        r"(?:do(?:es)? not|don't|doesn't) have (?:the |any )?(?:\w+ ){0,2}(?:access|rights|privileges?)",
    ),
    Phrase("access denied", "auth_error.forbidden", r"access (?:is |was )?denied"),
    Phrase("forbidden", "auth_error.forbidden", r"\A\W*forbidden|(?:access|request|operation) (?:is |was )?forbidden"),
)
