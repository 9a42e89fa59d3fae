"""AWS: botocore's own errors, and the codes that the services answer."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Pack

__all__ = ["AWS"]

_BOTOCORE: Final = "botocore.exceptions."
_RATE: Final = (
    *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException", "RequestThrottled"),
    *("TooManyRequestsException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "SlowDown"),
    *("BandwidthLimitExceeded", "PriorRequestNotComplete", "EC2ThrottledException", "TransactionInProgressException"),
)
_SIGNED_WRONG: Final = (
    *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    *("AuthFailure", "IncompleteSignature", "InvalidSignatureException", "InvalidToken", "NotAuthorized"),
)
_FORBIDDEN: Final = (
    *("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedAccess", "NotAuthorizedException"),
    *("AuthorizationError", "AuthorizationErrorException", "AllAccessDisabled", "KMSAccessDeniedException"),
)
_ABSENT: Final = (
    *("NoSuchBucket", "NoSuchKey", "NoSuchEntity", "NoSuchUpload", "ResourceNotFoundException", "NotFoundException"),
    *("InvalidInstanceID.NotFound", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NoSuchVersion"),
)
_PAYLOAD: Final = (
    *("ValidationException", "ValidationError", "InvalidParameterValue", "InvalidParameterException"),
    *("InvalidParameterCombination", "InvalidParameterValueException", "MissingParameter", "MalformedXML"),
    *("InvalidRequestException", "InvalidArgument", "MalformedPolicyDocument", "EntityTooLarge", "InvalidInput"),
    *("SerializationException", "MessageRejected", "InvalidBucketName"),
)
_UPSTREAM: Final = (
    *("ServiceUnavailable", "ServiceUnavailableException", "InternalFailure", "InternalServerError", "InternalError"),
    *("InternalServerException", "RequestTimeout", "RequestTimeoutException", "ServiceException", "DependencyFailure"),
)
_CONFLICT: Final = (
    *("ConflictException", "ConditionalCheckFailedException", "TransactionConflictException", "OperationAborted"),
    *("ResourceInUseException", "BucketAlreadyExists", "PreconditionFailed", "ResourceConflictException"),
)


def _all(codes: tuple[str, ...], code: str) -> dict[str, str]:
    return dict.fromkeys(codes, code)


AWS: Final = Pack(
    name="aws",
    types={
        _BOTOCORE + "NoCredentialsError": "auth_error.missing",
        _BOTOCORE + "NoAuthTokenError": "auth_error.missing",
        _BOTOCORE + "PartialCredentialsError": "auth_error.missing",
        _BOTOCORE + "ProfileNotFound": "config_error.setting",
        _BOTOCORE + "UnauthorizedSSOTokenError": "auth_error.expired",
        _BOTOCORE + "SSOTokenLoadError": "auth_error.missing",
        _BOTOCORE + "LoginRefreshRequired": "auth_error.expired",
        _BOTOCORE + "NoRegionError": "config_error.setting",
        _BOTOCORE + "InvalidRegionError": "config_error.setting",
        _BOTOCORE + "UnknownRegionError": "config_error.setting",
        _BOTOCORE + "UnknownServiceError": "config_error.unsupported",
        _BOTOCORE + "InvalidConfigError": "config_error.setting",
        _BOTOCORE + "ParamValidationError": "config_error.payload",
        _BOTOCORE + "ValidationError": "config_error.payload",
        _BOTOCORE + "MissingParametersError": "config_error.payload",
        _BOTOCORE + "ReadTimeoutError": "network_error.timeout",
        _BOTOCORE + "ConnectTimeoutError": "network_error.timeout",
        _BOTOCORE + "ProxyConnectionError": "network_error.proxy",
        _BOTOCORE + "SSLError": "network_error.tls",
        _BOTOCORE + "ConnectionClosedError": "network_error.reset",
        _BOTOCORE + "IncompleteReadError": "network_error.reset",
        _BOTOCORE + "ResponseStreamingError": "network_error.reset",
        _BOTOCORE + "CapacityNotAvailableError": "api_limit.rate",  # its own limiter, in adaptive mode
    },
    broad={
        _BOTOCORE + "EndpointConnectionError": "network_error.refused",
        _BOTOCORE + "ConnectionError": "network_error.refused",
        _BOTOCORE + "HTTPClientError": "network_error.reset",
        _BOTOCORE + "CredentialRetrievalError": "auth_error.refresh",
        _BOTOCORE + "TokenRetrievalError": "auth_error.refresh",
        _BOTOCORE + "MetadataRetrievalError": "auth_error.missing",
        _BOTOCORE + "WaiterError": "network_error.timeout",
    },
    content={
        "botocore.parsers.ResponseParserError": "unknown.response",
        _BOTOCORE + "ChecksumError": "unknown.response",
    },
    labels={
        **_all(_RATE, "api_limit.rate"),
        **_all(_SIGNED_WRONG, "auth_error.invalid"),
        **_all(_FORBIDDEN, "auth_error.forbidden"),
        **_all(_ABSENT, "config_error.not_found"),
        **_all(_PAYLOAD, "config_error.payload"),
        **_all(_UPSTREAM, "network_error.upstream"),
        **_all(_CONFLICT, "network_error.conflict"),
        "LimitExceededException": "api_limit.quota",
        "LimitExceeded": "api_limit.quota",
        "ServiceQuotaExceededException": "api_limit.quota",
        "Daily message quota exceeded.": "api_limit.quota_daily",
        "ExpiredToken": "auth_error.expired",
        "ExpiredTokenException": "auth_error.expired",
        "TokenRefreshRequired": "auth_error.expired",
        "RequestExpired": "auth_error.expired",
        "RequestTimeTooSkewed": "auth_error.invalid",
        "MissingAuthenticationToken": "auth_error.missing",
        "MissingAuthenticationTokenException": "auth_error.missing",
        "OptInRequired": "api_limit.billing",
        "SubscriptionRequiredException": "api_limit.billing",
        "AccountProblem": "api_limit.billing",
        "InsufficientCapacity": "network_error.upstream",
        "InsufficientInstanceCapacity": "network_error.upstream",
        "MethodNotAllowed": "config_error.payload",
        "NotImplemented": "config_error.unsupported",
        "ModelNotReadyException": "network_error.upstream",
        "ModelTimeoutException": "network_error.upstream",
        "ModelStreamErrorException": "network_error.upstream",
        "ModelErrorException": "network_error.upstream",
        "InvalidIdentityToken": "auth_error.invalid",
        "IDPCommunicationError": "network_error.upstream",
        "RegionDisabledException": "config_error.setting",
    },
)
