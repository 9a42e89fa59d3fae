"""OAuth 2: RFC 6749 (4.1.2.1, 5.2), 6750 (3.1), 7009, 8628 (3.5), and OpenID Connect Core (3.1.2.6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from taskwarden.classify.pack import Meaning, Pack

__all__ = ["OAUTH"]

OAUTH: Final = Pack(
    name="oauth",
    labels={
        "invalid_grant": "auth_error.revoked",
        "invalid_client": "auth_error.client",
        "invalid_scope": "auth_error.scope",
        "insufficient_scope": "auth_error.scope",
        "invalid_token": "auth_error.expired",
        "unauthorized_client": "auth_error.client",
        "unsupported_grant_type": "config_error.setting",
        "unsupported_response_type": "config_error.setting",
        "unsupported_token_type": "config_error.setting",
        "temporarily_unavailable": "network_error.upstream",
        "server_error": "network_error.upstream",
        # RFC 8628 3.5: from then on the interval is 5 seconds longer
        "slow_down": Meaning("api_limit.rate", retry_after=timedelta(seconds=5)),
        "authorization_pending": "auth_error.pending",
        "expired_token": "auth_error.expired",
        "login_required": "auth_error.expired",
        "interaction_required": "auth_error.revoked",
        "consent_required": "auth_error.scope",
        "account_selection_required": "auth_error.expired",
        "redirect_uri_mismatch": "config_error.setting",
        "invalid_redirect_uri": "config_error.setting",
        "deleted_client": "auth_error.client",
        "disabled_client": "auth_error.client",
        "org_internal": "auth_error.client",
    },
    families={
        "access_denied": "auth_error.forbidden",
        "invalid_request": "config_error.payload",
    },
    types={
        "oauthlib.oauth2.rfc6749.errors.MissingTokenError": "auth_error.refresh",
        "oauthlib.oauth2.rfc6749.errors.TokenExpiredError": "auth_error.expired",
        "jwt.exceptions.ExpiredSignatureError": "auth_error.expired",
        "jwt.exceptions.InvalidSignatureError": "auth_error.invalid",
    },
    broad={
        "authlib.integrations.base_client.errors.OAuthError": "auth_error.refresh",
        "jwt.exceptions.InvalidTokenError": "auth_error.invalid",
    },
)
