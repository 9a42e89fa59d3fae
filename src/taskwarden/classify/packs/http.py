"""HTTP itself, RFC 9110 and what servers add to it, and problem details (RFC 9457)."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Pack

__all__ = ["HTTP"]

HTTP: Final = Pack(
    name="http",
    statuses={
        400: "config_error.payload",
        401: "auth_error.expired",
        402: "api_limit.billing",
        403: "auth_error.forbidden",
        404: "config_error.not_found",
        405: "config_error.payload",
        406: "config_error.payload",
        407: "network_error.proxy",
        408: "network_error.upstream",
        409: "network_error.conflict",
        410: "config_error.not_found",
        411: "config_error.payload",
        412: "network_error.conflict",
        413: "config_error.payload",
        414: "config_error.payload",
        415: "config_error.payload",
        416: "config_error.payload",
        417: "config_error.payload",
        421: "network_error.upstream",
        422: "config_error.payload",
        423: "network_error.conflict",
        424: "network_error.upstream",
        425: "network_error.upstream",
        426: "config_error.unsupported",
        428: "config_error.payload",
        429: "api_limit.rate",
        431: "config_error.payload",
        451: "config_error.legal",
        498: "auth_error.expired",  # a token, by Esri and those who took it over
        509: "api_limit.quota",  # bandwidth, on shared hosts
        511: "network_error.proxy",
    },
    families={
        "bad_request": "config_error.payload",
        "conflict": "network_error.conflict",
        "forbidden": "auth_error.forbidden",
        "internal_server_error": "network_error.upstream",
        "internal_error": "network_error.upstream",
        "not_found": "config_error.not_found",
        "resource_not_found": "config_error.not_found",
        "service_unavailable": "network_error.upstream",
        "unauthorized": "auth_error.expired",
        "unprocessable_entity": "config_error.payload",
        "validation_error": "config_error.payload",
        "validation_failed": "config_error.payload",
        "method_not_allowed": "config_error.payload",
        "payment_required": "api_limit.billing",
        "unsupported_media_type": "config_error.payload",
    },
    labels={
        "rate_limit_exceeded": "api_limit.rate",
        "rate_limited": "api_limit.rate",
        "rate_limit": "api_limit.rate",
        "rate-limit-exceeded": "api_limit.rate",
        "too_many_requests": "api_limit.rate",
        "too-many-requests": "api_limit.rate",
        "throttled": "api_limit.rate",
        "quota_exceeded": "api_limit.quota",
        "quota-exceeded": "api_limit.quota",
        "daily_limit_exceeded": "api_limit.quota_daily",
        "insufficient_funds": "api_limit.billing",
        "token_expired": "auth_error.expired",
        "expired_token": "auth_error.expired",
        "token_revoked": "auth_error.revoked",
        "invalid_api_key": "auth_error.invalid",
        "api_key_expired": "auth_error.expired",
        "invalid_credentials": "auth_error.invalid",
        "missing_api_key": "auth_error.missing",
        "policies.ratelimit.quotaviolation": "api_limit.quota",  # Apigee
        "policies.ratelimit.spikearrestviolation": "api_limit.rate",
        "out-of-credit": "api_limit.billing",  # the example of RFC 9457
    },
)
