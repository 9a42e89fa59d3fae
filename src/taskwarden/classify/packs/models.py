"""Language models: OpenAI and those that speak like it, Anthropic, and Google's Gemini by their SDKs."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Meaning, Pack, Phrase

__all__ = ["ANTHROPIC", "OPENAI"]

_STATUSES: Final = {
    "BadRequestError": "config_error.payload",
    "AuthenticationError": "auth_error.invalid",
    "PermissionDeniedError": "auth_error.forbidden",
    "NotFoundError": "config_error.not_found",
    "ConflictError": "network_error.conflict",
    "UnprocessableEntityError": "config_error.payload",
    "RateLimitError": "api_limit.rate",
    "InternalServerError": "network_error.upstream",
    "APIConnectionError": "network_error.reset",
}

OPENAI: Final = Pack(
    name="openai",
    types={
        "openai.APITimeoutError": "network_error.timeout",
        "openai.LengthFinishReasonError": "config_error.payload",
        "openai.ContentFilterFinishReasonError": "config_error.policy",
    },
    broad={f"openai.{name}": code for name, code in _STATUSES.items()},
    content={"openai.APIResponseValidationError": "unknown.response"},
    labels={
        "insufficient_quota": "api_limit.billing",
        "billing_hard_limit_reached": "api_limit.billing",
        "billing_not_active": "api_limit.billing",
        "access_terminated": "auth_error.revoked",
        "account_deactivated": "auth_error.revoked",
        "invalid_api_key": "auth_error.invalid",
        "incorrect_api_key_provided": "auth_error.invalid",
        "mismatched_organization": "auth_error.invalid",
        "invalid_organization": "auth_error.invalid",
        "missing_scope": "auth_error.scope",
        "unsupported_country_region_territory": "auth_error.forbidden",
        "ip_not_authorized": "auth_error.forbidden",
        "model_not_found": "config_error.not_found",
        "deployment_not_found": "config_error.not_found",  # Azure
        "DeploymentNotFound": "config_error.not_found",
        "context_length_exceeded": "config_error.payload",
        "string_above_max_length": "config_error.payload",
        "invalid_prompt": "config_error.payload",
        "invalid_type": "config_error.payload",
        "invalid_value": "config_error.payload",
        "unknown_parameter": "config_error.payload",
        "unsupported_parameter": "config_error.payload",
        "unsupported_value": "config_error.payload",
        "missing_required_parameter": "config_error.payload",
        "content_policy_violation": "config_error.policy",
        "content_filter": "config_error.policy",
        "moderation_blocked": "config_error.policy",
        "engine_overloaded": "network_error.upstream",
        "server_overloaded": "network_error.upstream",
    },
    families={
        "invalid_request_error": "config_error.payload",
        "requests": "api_limit.rate",  # the `type` of a limit by requests
        "tokens": "api_limit.rate",
        "authentication_error": "auth_error.invalid",
        "permission_error": "auth_error.forbidden",
        "insufficient_permissions": "auth_error.forbidden",
    },
)

ANTHROPIC: Final = Pack(
    name="anthropic",
    types={"anthropic.APITimeoutError": "network_error.timeout"},
    broad={
        **{f"anthropic.{name}": code for name, code in _STATUSES.items()},
        "anthropic.OverloadedError": "network_error.upstream",
        "anthropic.ServiceUnavailableError": "network_error.upstream",
        "anthropic.RequestTooLargeError": "config_error.payload",
        "anthropic.DeadlineExceededError": "network_error.upstream",
    },
    content={"anthropic.APIResponseValidationError": "unknown.response"},
    labels={
        "rate_limit_error": "api_limit.rate",
        "billing_error": "api_limit.billing",
        "not_found_error": "config_error.not_found",
        "request_too_large": "config_error.payload",
        "timeout_error": "network_error.upstream",
        "overloaded_error": "network_error.upstream",
        "credit_balance_too_low": "api_limit.billing",
    },
    families={
        "api_error": "network_error.upstream",
        "authentication_error": "auth_error.invalid",
        "permission_error": "auth_error.forbidden",
        "invalid_request_error": Meaning("config_error.payload"),
    },
    sentences=[Phrase("credit balance is too low", "api_limit.billing")],
    phrases=[Phrase("credit balance is too low", "api_limit.billing", sharp=True)],
)
