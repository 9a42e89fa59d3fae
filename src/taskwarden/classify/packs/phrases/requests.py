"""What is said of what was asked for, and of what came back."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Phrase

__all__ = ["CONTENT", "SETTINGS"]

CONTENT: Final = (
    Phrase("expecting value", "unknown.response", r"expecting value: line \d+"),
    Phrase(
        "json",
        "unknown.response",
        r"(?:invalid|malformed|unparsable|unexpected|non-?) ?json|(?:could not|failed to|unable to|cannot|"
        r"error) (?:parse|decod(?:e|ing)|pars(?:e|ing)) (?:the )?(?:\w+ )?(?:json|xml|response|html|feed)|"
        r"json ?decode ?error",
    ),
    Phrase(
        "unexpected",
        "unknown.response",
        r"unexpected (?:response|mimetype|content[- ]type|html|format|structure|payload from)|"
        r"attempt to decode json with unexpected mimetype",
    ),
    Phrase("invalid response", "unknown.response", r"(?:invalid|malformed|empty|garbled) (?:response|reply)"),
    Phrase(
        "response",
        "unknown.response",
        r"response (?:was |is |did )?(?:not (?:contain|include|match)|empty|malformed|missing)\b.{0,30}",
    ),
    Phrase("mismatched tag", "unknown.response"),
    Phrase("not well-formed", "unknown.response"),
    Phrase("invalid chunk", "network_error.reset"),
)


SETTINGS: Final = (
    Phrase(
        "invalid url",
        "config_error.url",
        r"invalid url|no schema? supplied|(?:missing|unsupported) (?:an? )?['\"]?(?:url )?(?:protocol|scheme|"
        r"schema)|(?:url|uri) (?:is )?(?:malformed|invalid)|malformed (?:url|uri)",
    ),
    Phrase("no scheme supplied", "config_error.url"),
    Phrase("no connection adapters were found", "config_error.url"),
    Phrase("is missing an", "config_error.url", r"url is missing an?"),
    Phrase("no such file or directory", "config_error.file"),
    Phrase("is a directory", "config_error.file", r"is a directory|not a directory|file exists"),
    Phrase(
        "support",
        "config_error.unsupported",
        r"(?:is |are )?(?:not|no longer) (?:yet |currently )?supported|(?:does not|doesn't) support",
    ),
    Phrase("unsupported", "config_error.unsupported", r"unsupported\b.{0,30}"),
    Phrase("deprecated", "config_error.unsupported", r"(?:is |are |been |has been )?deprecated"),
    Phrase("not implemented", "config_error.unsupported"),
    Phrase(
        "found",
        "config_error.not_found",
        r"not found|(?:could|can) ?not be found|cannot find \w+|(?:could not|couldn't|can't|"
        r"unable to) find \w+|nothing found",
    ),
    Phrase("not be located", "config_error.not_found"),
    Phrase("exist", "config_error.not_found", r"(?:does|do|did)(?: not|n't) exist|(?:doesn't|didn't|don't) exist"),
    Phrase("no such", "config_error.not_found", r"no such \w+"),
    Phrase(
        "no longer available",
        "config_error.not_found",
        r"(?:no longer available|has been deleted|was deleted|has been removed)",
    ),
    Phrase("deleted", "config_error.not_found", r"(?:has been|was|were|is) (?:permanently )?deleted"),
    Phrase(
        "must",
        "config_error.payload",
        r"must (?:not )?(?:be|have|contain|match|start|end|specify|provide|include)\b.{0,60}",
    ),
    Phrase(
        "required",
        "config_error.payload",
        r"(?:missing )?required (?:field|parameter|argument|property|attribute|value|column|input)s?|(?:field|"
        r"parameter|argument|property|attribute|value) (?:is |are )?required|is a required \w+",
    ),
    Phrase(
        "invalid",
        "config_error.payload",
        r"invalid (?:\w+ )?(?:request|argument|parameter|param|value|input|format|field|date|query|payload|"
        r"enum|type|email|syntax|property|option|dimension|metric)s?(?: \w+)?|(?:request|argument|parameter|"
        r"value|input|field|date|query|payload) (?:is |was |are )?(?:not valid|invalid)",
    ),
    Phrase(
        "validation",
        "config_error.payload",
        r"validation (?:has )?(?:failed|errors?)|failed validation|\d+ validation errors? for",
    ),
    Phrase("bad request", "config_error.payload"),
    Phrase("missing", "config_error.payload", r"missing\b.{0,40}"),
    Phrase(
        "too large",
        "config_error.payload",
        r"(?:is |are )?too (?:large|long|big|many \w+|short)|exceeds? (?:the )?(?:maximum|max|limit|"
        r"allowed)\b.{0,40}",
    ),
    Phrase(
        "unknown",
        "config_error.payload",
        r"unknown (?:field|parameter|argument|column|option|key|metric|dimension|name|property)s?",
    ),
    Phrase("unrecogni", "config_error.payload", r"(?:unrecognized|unrecognised)\b.{0,30}"),
    Phrase("recogni", "config_error.payload", r"not (?:been )?recogni[sz]ed?"),
    Phrase("nonexist", "config_error.payload", r"nonexist(?:ing|ent)(?: \w+)?"),
    Phrase("non-exist", "config_error.payload", r"non-exist(?:ing|ent)(?: \w+)?"),
    Phrase(
        "not allowed",
        "config_error.payload",
        r"(?:field|parameter|argument|value|method|property|attribute|type)s?\b.{0,40} not allowed",
    ),
    Phrase(
        "cannot be",
        "config_error.payload",
        r"cannot be (?:empty|blank|null|used|longer|shorter|greater|negative)|can't be (?:empty|blank|null|"
        r"used)",
    ),
    Phrase(
        "should be",
        "config_error.payload",
        r"should be (?:an? |in |of |one |at |between |less |greater |valid )\b.{0,40}",
    ),
    Phrase("expected", "config_error.payload", r"expected .{1,40}(?:,| but)? got .{1,40}"),
    Phrase("syntax error", "config_error.payload"),
    Phrase("invalid", "config_error.payload", r"(?:an |is )?invalid [\w'-]+|(?:is|are|was) (?:invalid|not valid)"),
    Phrase("content policy", "config_error.policy", r"(?:content|usage|safety) polic(?:y|ies)|safety system"),
    Phrase("duplicate content", "config_error.policy"),
    Phrase("exclusive access", "network_error.conflict"),
    Phrase(
        "in progress",
        "network_error.conflict",
        r"(?:already|currently|another|still)\b.{0,40} in[ -]progress|in[ -]progress operation",
    ),
    Phrase("already ", "network_error.conflict", r"already (?:exists|running|being \w+|in use|taken)"),
    Phrase(
        "modified",
        "network_error.conflict",
        r"(?:modified|changed|updated) (?:by another|since|in the meantime|concurrently)",
    ),
    Phrase("must match", "config_error.payload"),
    Phrase("malformed", "config_error.payload", r"malformed [\w-]+"),
    Phrase(
        "conflict",
        "network_error.conflict",
        r"\A\W*conflict|(?:edit|update|version|write) conflict|etag mismatch|precondition failed",
    ),
)
