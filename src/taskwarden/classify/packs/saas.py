"""Services for code, money and talk: Stripe, GitHub, Slack, Microsoft, and the social networks."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Pack, Phrase

__all__ = ["GITHUB", "MICROSOFT", "SLACK", "STRIPE"]

_STRIPE: Final = "stripe._error."

STRIPE: Final = Pack(
    name="stripe",
    types={_STRIPE + "SignatureVerificationError": "auth_error.invalid"},
    broad={
        _STRIPE + "APIConnectionError": "network_error.reset",
        _STRIPE + "AuthenticationError": "auth_error.invalid",
        _STRIPE + "PermissionError": "auth_error.forbidden",
        _STRIPE + "RateLimitError": "api_limit.rate",
        _STRIPE + "CardError": "config_error.declined",
        _STRIPE + "IdempotencyError": "config_error.payload",
        _STRIPE + "InvalidRequestError": "config_error.payload",
        _STRIPE + "APIError": "network_error.upstream",
    },
    labels={
        "api_key_expired": "auth_error.expired",
        "account_invalid": "auth_error.revoked",
        "account_closed": "auth_error.revoked",
        "platform_api_key_expired": "auth_error.expired",
        "platform_account_required": "auth_error.client",
        "secret_key_required": "auth_error.invalid",
        "application_fees_not_allowed": "auth_error.forbidden",
        "authentication_required": "config_error.declined",
        "card_declined": "config_error.declined",
        "expired_card": "config_error.declined",
        "incorrect_cvc": "config_error.declined",
        "insufficient_funds": "config_error.declined",
        "payment_intent_authentication_failure": "config_error.declined",
        "resource_missing": "config_error.not_found",
        "parameter_missing": "config_error.payload",
        "parameter_invalid_empty": "config_error.payload",
        "parameter_invalid_integer": "config_error.payload",
        "parameter_unknown": "config_error.payload",
        "url_invalid": "config_error.url",
        "email_invalid": "config_error.payload",
        "idempotency_key_in_use": "network_error.conflict",
        "lock_timeout": "network_error.conflict",
        "testmode_charges_only": "config_error.setting",
        "livemode_mismatch": "config_error.setting",
    },
    phrases=[
        Phrase(
            "declined",
            "config_error.declined",
            r"(?:card|payment|charge|transaction) (?:was |has been |is )?declined",
            sharp=True,
        ),
        Phrase(
            "idempotency key",
            "network_error.conflict",
            r"another (?:in-progress )?request (?:using|with) this idempotency key",
            sharp=True,
        ),
    ],
    families={
        "card_error": "config_error.declined",
        "idempotency_error": "config_error.payload",
        "api_connection_error": "network_error.reset",
    },
)

_GITHUB: Final = "github.GithubException."

GITHUB: Final = Pack(
    name="github",
    types={
        _GITHUB + "RateLimitExceededException": "api_limit.rate",
        _GITHUB + "BadCredentialsException": "auth_error.expired",
        _GITHUB + "UnknownObjectException": "config_error.not_found",
        _GITHUB + "TwoFactorException": "auth_error.missing",
        _GITHUB + "BadUserAgentException": "config_error.setting",
    },
    content={_GITHUB + "BadAttributeException": "unknown.response"},
    labels={
        # The fragment of `documentation_url` in the body
        "about-secondary-rate-limits": "api_limit.rate",
        "secondary-rate-limits": "api_limit.rate",
        "abuse-rate-limits": "api_limit.rate",
        "rate-limiting": "api_limit.rate",
        "exceeding-the-rate-limit": "api_limit.rate",
        "bad_refresh_token": "auth_error.revoked",
        "incorrect_client_credentials": "auth_error.client",
        "bad_verification_code": "auth_error.revoked",
        "application_suspended": "auth_error.client",
        # `errors[].code`
        "missing_field": "config_error.payload",
        "already_exists": "config_error.payload",
        "unprocessable": "config_error.payload",
    },
    sentences=[
        Phrase("secondary rate limit", "api_limit.rate"),
        Phrase("api rate limit exceeded", "api_limit.rate"),
        Phrase("abuse detection mechanism", "api_limit.rate"),
        Phrase("resource not accessible by", "auth_error.scope"),
        Phrase("must have admin rights", "auth_error.forbidden"),
        Phrase("saml enforcement", "auth_error.revoked"),
    ],
    phrases=[
        Phrase("secondary rate limit", "api_limit.rate", sharp=True),
        Phrase("abuse detection mechanism", "api_limit.rate", sharp=True),
        Phrase("bad credentials", "auth_error.expired"),
        Phrase("saml enforcement", "auth_error.revoked", sharp=True),
        Phrase("resource not accessible by integration", "auth_error.scope", sharp=True),
    ],
)

SLACK: Final = Pack(
    name="slack",
    labels={
        "ratelimited": "api_limit.rate",
        "message_limit_exceeded": "api_limit.quota",
        "not_authed": "auth_error.missing",
        "invalid_auth": "auth_error.invalid",
        "account_inactive": "auth_error.revoked",
        "token_revoked": "auth_error.revoked",
        "token_expired": "auth_error.expired",
        "no_permission": "auth_error.forbidden",
        "not_allowed_token_type": "auth_error.invalid",
        "org_login_required": "auth_error.expired",
        "ekm_access_denied": "auth_error.forbidden",
        "missing_scope": "auth_error.scope",
        "restricted_action": "auth_error.forbidden",
        "team_access_not_granted": "auth_error.forbidden",
        "access_denied": "auth_error.forbidden",
        "channel_not_found": "config_error.not_found",
        "user_not_found": "config_error.not_found",
        "users_not_found": "config_error.not_found",
        "is_archived": "config_error.not_found",
        "not_in_channel": "config_error.setting",
        "msg_too_long": "config_error.payload",
        "no_text": "config_error.payload",
        "invalid_arguments": "config_error.payload",
        "invalid_blocks": "config_error.payload",
        "fatal_error": "network_error.upstream",
        "team_added_to_org": "network_error.upstream",
        "request_timeout": "network_error.upstream",
    },
)

MICROSOFT: Final = Pack(
    name="microsoft",
    labels={
        "TooManyRequests": "api_limit.rate",
        "activityLimitReached": "api_limit.rate",
        "ApplicationThrottled": "api_limit.rate",
        "ThrottledRequest": "api_limit.rate",
        "OperationNotAllowed": "api_limit.quota",
        "QuotaExceeded": "api_limit.quota",
        "quotaLimitReached": "api_limit.quota",
        "MailboxConcurrency": "api_limit.concurrency",
        "ServerBusy": "network_error.upstream",
        "ServiceNotAvailable": "network_error.upstream",
        "generalException": "network_error.upstream",
        "OperationTimedOut": "network_error.upstream",
        "InvalidAuthenticationToken": "auth_error.expired",
        "ExpiredAuthenticationToken": "auth_error.expired",
        "CompactToken": "auth_error.invalid",
        "AuthenticationFailed": "auth_error.invalid",
        "AuthorizationFailed": "auth_error.forbidden",
        "LinkedAuthorizationFailed": "auth_error.forbidden",
        "Authorization_RequestDenied": "auth_error.scope",
        "ErrorAccessDenied": "auth_error.forbidden",
        "accessDenied": "auth_error.forbidden",
        "InvalidAccountType": "auth_error.forbidden",
        "ErrorItemNotFound": "config_error.not_found",
        "itemNotFound": "config_error.not_found",
        "MailboxNotEnabledForRESTAPI": "config_error.not_found",
        "ResourceNotFound": "config_error.not_found",
        "ResourceGroupNotFound": "config_error.not_found",
        "ContainerNotFound": "config_error.not_found",
        "BlobNotFound": "config_error.not_found",
        "Request_ResourceNotFound": "config_error.not_found",
        "Request_BadRequest": "config_error.payload",
        "ErrorInvalidRecipients": "config_error.payload",
        "invalidRange": "config_error.payload",
        "resyncRequired": "network_error.conflict",
        "nameAlreadyExists": "network_error.conflict",
        "ErrorQuotaExceeded": "api_limit.quota",
        "ErrorSendAsDenied": "auth_error.forbidden",
        # Bing Webmaster
        "ThrottleUser": "api_limit.rate",
        "InvalidApiKey": "auth_error.invalid",
        "UserBlocked": "auth_error.forbidden",
    },
    phrases=[
        Phrase("aadsts70008", "auth_error.revoked", sharp=True),
        Phrase("aadsts700082", "auth_error.revoked", sharp=True),
        Phrase("aadsts50173", "auth_error.revoked", sharp=True),
        Phrase("aadsts65001", "auth_error.scope", sharp=True),
        Phrase("aadsts7000215", "auth_error.client", sharp=True),
        Phrase("aadsts7000222", "auth_error.client", sharp=True),
        Phrase("aadsts700016", "auth_error.client", sharp=True),
        Phrase("aadsts90033", "network_error.upstream", sharp=True),
    ],
)
