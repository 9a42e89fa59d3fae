"""What is said of limits."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Phrase

__all__ = ["LIMITS"]

LIMITS: Final = (
    Phrase("too many requests", "api_limit.rate"),
    Phrase("too many api calls", "api_limit.rate", r"too many (?:api )?calls"),
    Phrase(
        "rate",
        "api_limit.rate",
        r"(?:\w+ )?rate(?:[ _-]|%20)?limit(?:s|ed|ing)?|rate exceeded|request rates?|rate of requests",
    ),
    Phrase(
        "per ",
        "api_limit.rate",
        r"(?:exceed\w*|limit\w*|more than|over|maximum|max|too many)\b.{0,40}\b(?:calls|requests|queries|"
        r"messages|tokens|hits)(?: allowed)? per (?:\d+ )?(?:second|minute|hour)s?",
    ),
    Phrase("ratelimit", "api_limit.rate", r"\w*ratelimit(?:ed|s|ing|error|exceeded)?"),
    Phrase("throttl", "api_limit.rate", r"throttl(?:ed|ing)(?:exception|error)?"),
    Phrase("slow down", "api_limit.rate", r"(?:please )?slow down"),
    Phrase(
        "limit",
        "config_error.payload",
        r"(?:size|length|memory|depth|row|item|word|upload size|body|payload|"
        r"attachment) limits?(?: of [\w ]{1,20})? (?:has been |was |is )?(?:exceeded|reached)|exceed\w*(?: the|"
        r" maximum| allowed| file| max)* (?:size|length) limit",
    ),
    Phrase("time limit", "network_error.timeout", r"time limit (?:exceeded|reached)"),
    Phrase(
        "too many",
        "api_limit.rate",
        r"too many (?:attempts|tries|log-?ins?|messages|emails|calls|api calls|queries|hits)|(?:receiving|sent|"
        r"sending|made|making) too many \w+",
    ),
    Phrase(
        "quota",
        "api_limit.quota",
        r"quota (?:\w+ ){0,4}(?:exceeded|exhausted|reached|used up|limit)|(?:exceed(?:ed|s)?|exhausted|reached|"
        r"over|out of) (?:\w+ ){0,4}quota",
    ),
    Phrase(
        "limit",
        "api_limit.quota",
        r"(?:usage|request|call|api|message|credit|account|plan|email|sending|upload|export|"
        r"search)s? limit (?:has been |was |is )?(?:exceeded|reached|hit)|(?:reached|exceeded|hit) (?:your|the|"
        r"its|our) (?:\w+ )?(?:usage|request|call|api|message|credit|account|plan|sending|upload) limits?",
    ),
    Phrase(
        "limit",
        "api_limit.quota",
        r"limit(?:s)?(?: of \d+)? (?:has been |have been |was |is |were )?exceeded|(?:exceed(?:ed|s|ing)?|"
        r"reached|hit|over)(?: [\w'-]+){0,5} limits?|limit exceeded",
    ),
    Phrase(
        "concurrent",
        "api_limit.concurrency",
        r"too many (?:concurrent|simultaneous|parallel) \w+|(?:concurrent|concurrency|"
        r"simultaneous) (?:\w+ )?limit",
    ),
    Phrase("too many connections", "api_limit.concurrency"),
    Phrase("overloaded", "network_error.upstream", r"(?:currently |is |temporarily )?overloaded"),
)
