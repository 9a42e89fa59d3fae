"""The social networks: Meta's Graph API, LinkedIn, X, Reddit."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Pack, Phrase

__all__ = ["LINKEDIN", "META", "X"]

META: Final = Pack(
    name="meta",
    labels={
        "OAuthException:1": "network_error.upstream",
        "OAuthException:2": "network_error.upstream",
        "OAuthException:3": "auth_error.scope",
        "OAuthException:4": "api_limit.rate",
        "OAuthException:10": "auth_error.scope",
        "OAuthException:17": "api_limit.rate",
        "OAuthException:32": "api_limit.rate",
        "OAuthException:100": "config_error.payload",
        "OAuthException:102": "auth_error.expired",
        "OAuthException:104": "auth_error.client",
        "OAuthException:190": "auth_error.expired",
        "OAuthException:190:458": "auth_error.revoked",
        "OAuthException:190:459": "auth_error.expired",
        "OAuthException:190:460": "auth_error.revoked",
        "OAuthException:190:463": "auth_error.expired",
        "OAuthException:190:464": "auth_error.expired",
        "OAuthException:190:467": "auth_error.revoked",
        "OAuthException:200": "auth_error.scope",
        "OAuthException:341": "api_limit.quota",
        "OAuthException:368": "config_error.policy",
        "OAuthException:506": "config_error.payload",
        "OAuthException:613": "api_limit.rate",
        "OAuthException:803": "config_error.not_found",
        "GraphMethodException:100": "config_error.not_found",
        "GraphMethodException:100:33": "config_error.not_found",
    },
    phrases=[
        # The number as the Graph API puts it before its messages
        Phrase("(#", "api_limit.rate", r"\W*\(#(?:4|17|32|613|8000\d)\)", sharp=True),
        Phrase("(#", "auth_error.expired", r"\W*\(#(?:102|190)\)", sharp=True),
        Phrase("(#", "auth_error.scope", r"\W*\(#(?:3|10|2\d\d)\)", sharp=True),
        Phrase("(#", "config_error.payload", r"\W*\(#100\)", sharp=True),
        Phrase("(#", "network_error.upstream", r"\W*\(#[12]\)", sharp=True),
        Phrase("the session has been invalidated", "auth_error.revoked", sharp=True),
        Phrase("error validating access token", "auth_error.expired"),
        Phrase("the user has not authorized application", "auth_error.revoked", sharp=True),
        Phrase("application request limit reached", "api_limit.rate", sharp=True),
        Phrase("user request limit reached", "api_limit.rate", sharp=True),
    ],
)

LINKEDIN: Final = Pack(
    name="linkedin",
    labels={
        "REVOKED_ACCESS_TOKEN": "auth_error.revoked",
        "EXPIRED_ACCESS_TOKEN": "auth_error.expired",
        "INVALID_ACCESS_TOKEN": "auth_error.expired",
        "EMPTY_ACCESS_TOKEN": "auth_error.missing",
        "ACCESS_DENIED": "auth_error.forbidden",
        "MISSING_FIELD": "config_error.payload",
        "DUPLICATE_POST": "config_error.payload",
    },
)

X: Final = Pack(
    name="x",
    types={
        "tweepy.errors.TooManyRequests": "api_limit.rate",
        "tweepy.errors.Unauthorized": "auth_error.expired",
        "tweepy.errors.Forbidden": "auth_error.forbidden",
    },
    labels={
        # The last part of a problem's type
        "usage-capped": "api_limit.quota",
        "resource-not-found": "config_error.not_found",
        "not-authorized-for-resource": "auth_error.forbidden",
        "client-forbidden": "auth_error.client",
        "unsupported-authentication": "auth_error.invalid",
        "disallowed-resource": "auth_error.forbidden",
        "invalid-request": "config_error.payload",
        "streaming-connection": "api_limit.concurrency",
    },
)
