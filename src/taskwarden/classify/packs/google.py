"""Google: the errors of its JSON APIs, ``google.rpc`` codes and details, gRPC, google-auth, google-api-core."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.body import PER_DAY
from taskwarden.classify.pack import Pack, Phrase

__all__ = ["GOOGLE"]

_API_CORE: Final = "google.api_core.exceptions."
_AUTH: Final = "google.auth.exceptions."

GOOGLE: Final = Pack(
    name="google",
    types={
        _AUTH + "DefaultCredentialsError": "auth_error.missing",
        _AUTH + "TimeoutError": "network_error.timeout",
        _API_CORE + "InvalidArgument": "config_error.payload",
        _API_CORE + "AlreadyExists": "network_error.conflict",
        _API_CORE + "Aborted": "network_error.conflict",
        "googleapiclient.errors.UnknownApiNameOrVersion": "config_error.unsupported",
        "googleapiclient.errors.MediaUploadSizeError": "config_error.payload",
        "httplib2.error.ServerNotFoundError": "network_error.dns",
        "httplib2.error.RedirectLimit": "config_error.url",
    },
    broad={
        _AUTH + "TransportError": "network_error.reset",
        _AUTH + "RefreshError": "auth_error.refresh",
        _AUTH + "OAuthError": "auth_error.refresh",
        _AUTH + "ReauthFailError": "auth_error.expired",
        _AUTH + "UserAccessTokenError": "auth_error.missing",
        _AUTH + "GoogleAuthError": "auth_error",
        _API_CORE + "RetryError": "network_error.timeout",  # it wraps the last failure, which tells more
        _API_CORE + "ServerError": "network_error.upstream",
        _API_CORE + "BadRequest": "config_error.payload",
        _API_CORE + "Unauthorized": "auth_error.expired",
        _API_CORE + "Forbidden": "auth_error.forbidden",
        _API_CORE + "NotFound": "config_error.not_found",
        _API_CORE + "Conflict": "network_error.conflict",
        _API_CORE + "TooManyRequests": "api_limit.rate",
        _API_CORE + "Cancelled": "network_error.upstream",
    },
    phrases=[
        Phrase("generate", "api_limit.quota_daily", r"Generate\w*PerDay\w*", sharp=True),  # a quotaId of Gemini
        Phrase("has not been used in project", "config_error.setting", sharp=True),
    ],
    content={
        "googleapiclient.errors.InvalidJsonError": "unknown.response",
        _API_CORE + "DataLoss": "network_error.upstream",
    },
    labels={
        PER_DAY: "api_limit.quota_daily",
        # `errors[].reason` of the JSON APIs
        "dailyLimitExceeded": "api_limit.quota_daily",
        "dailyLimitExceededUnreg": "api_limit.quota_daily",
        "quotaExceeded": "api_limit.quota",
        "rateLimitExceeded": "api_limit.rate",
        "userRateLimitExceeded": "api_limit.rate",
        "userRateLimitExceededUnreg": "api_limit.rate",
        "servingLimitExceeded": "api_limit.rate",
        "concurrentLimitExceeded": "api_limit.concurrency",
        "variableTermLimitExceeded": "api_limit.quota",
        "sharingRateLimitExceeded": "api_limit.quota",
        "uploadLimitExceeded": "api_limit.quota_daily",
        "storageQuotaExceeded": "api_limit.quota",
        "teamDriveFileLimitExceeded": "api_limit.quota",
        "billingNotEnabled": "api_limit.billing",
        "accessNotConfigured": "config_error.setting",
        "insufficientPermissions": "auth_error.scope",
        "insufficientFilePermissions": "auth_error.forbidden",
        "appNotAuthorizedToFile": "auth_error.forbidden",
        "domainPolicy": "auth_error.forbidden",
        "authError": "auth_error.expired",
        "keyInvalid": "auth_error.invalid",
        "keyExpired": "auth_error.expired",
        "ipRefererBlocked": "auth_error.client",
        "expired": "auth_error.expired",
        "required": "config_error.payload",
        "invalidParameter": "config_error.payload",
        "parseError": "config_error.payload",
        "backendError": "network_error.upstream",
        "internalError": "network_error.upstream",
        "channelNotFound": "config_error.not_found",
        "videoNotFound": "config_error.not_found",
        "notFound": "config_error.not_found",
        # ErrorInfo.reason of domain googleapis.com
        "RATE_LIMIT_EXCEEDED": "api_limit.rate",
        "RESOURCE_QUOTA_EXCEEDED": "api_limit.quota",
        "BILLING_DISABLED": "api_limit.billing",
        "SERVICE_DISABLED": "config_error.setting",
        "API_KEY_INVALID": "auth_error.invalid",
        "API_KEY_SERVICE_BLOCKED": "auth_error.forbidden",
        "API_KEY_HTTP_REFERRER_BLOCKED": "auth_error.client",
        "API_KEY_IP_ADDRESS_BLOCKED": "auth_error.client",
        "CONSUMER_SUSPENDED": "auth_error.client",
        "CONSUMER_INVALID": "config_error.setting",
        "ACCESS_TOKEN_EXPIRED": "auth_error.expired",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "auth_error.scope",
        "ACCESS_TOKEN_TYPE_UNSUPPORTED": "auth_error.invalid",
        "ACCOUNT_STATE_INVALID": "auth_error.revoked",
        "CREDENTIALS_MISSING": "auth_error.missing",
        "USER_PROJECT_DENIED": "auth_error.forbidden",
        "IAM_PERMISSION_DENIED": "auth_error.forbidden",
        # Google Ads
        "DEVELOPER_TOKEN_NOT_APPROVED": "auth_error.client",
        "DEVELOPER_TOKEN_PROHIBITED": "auth_error.client",
        "DEVELOPER_TOKEN_NOT_ON_ALLOWLIST": "auth_error.client",
        "DEVELOPER_TOKEN_INVALID": "auth_error.client",
        "DEVELOPER_TOKEN_PARAMETER_MISSING": "auth_error.client",
        "OAUTH_TOKEN_EXPIRED": "auth_error.expired",
        "OAUTH_TOKEN_INVALID": "auth_error.expired",
        "OAUTH_TOKEN_REVOKED": "auth_error.revoked",
        "OAUTH_TOKEN_DISABLED": "auth_error.revoked",
        "OAUTH_TOKEN_HEADER_INVALID": "auth_error.invalid",
        "CUSTOMER_NOT_FOUND": "config_error.not_found",
        "CUSTOMER_NOT_ENABLED": "auth_error.forbidden",
        "USER_PERMISSION_DENIED": "auth_error.forbidden",
        "SERVICE_ACCESS_DENIED": "auth_error.forbidden",
        "RESOURCE_TEMPORARILY_EXHAUSTED": "api_limit.rate",
    },
    families={
        # google.rpc.Code, which is gRPC's
        "INVALID_ARGUMENT": "config_error.payload",
        "FAILED_PRECONDITION": "config_error.payload",
        "OUT_OF_RANGE": "config_error.payload",
        "UNAUTHENTICATED": "auth_error.expired",
        "PERMISSION_DENIED": "auth_error.forbidden",
        "NOT_FOUND": "config_error.not_found",
        "ABORTED": "network_error.conflict",
        "ALREADY_EXISTS": "network_error.conflict",
        "RESOURCE_EXHAUSTED": "api_limit.rate",
        "CANCELLED": "network_error.upstream",
        "DATA_LOSS": "network_error.upstream",
        "INTERNAL": "network_error.upstream",
        "UNIMPLEMENTED": "config_error.unsupported",
        "UNAVAILABLE": "network_error.upstream",
        "DEADLINE_EXCEEDED": "network_error.timeout",
        # `errors[].reason` that others accompany, or that several causes share
        "badRequest": "config_error.payload",
        "invalid": "config_error.payload",
        "forbidden": "auth_error.forbidden",
        "unauthorized": "auth_error.expired",
    },
)
