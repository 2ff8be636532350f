"""Answers what msal asks login.microsoftonline.com before it asks for a token."""

import msal
import msal.application
import msal.authority

_HOST = "https://login.microsoftonline.com/common"
_CLOUD = [
    {
        "preferred_network": "login.microsoftonline.com",
        "preferred_cache": "login.windows.net",
        "aliases": [
            "login.microsoftonline.com",
            "login.windows.net",
            "login.microsoft.com",
            "sts.windows.net",
        ],
    }
]


def _tenant_discovery(endpoint, http_client, **_options):
    authority = endpoint.split("/v2.0/")[0].split("/.well-known")[0]
    return {
        "authorization_endpoint": authority + "/oauth2/v2.0/authorize",
        "token_endpoint": _HOST + "/oauth2/v2.0/token",
        "issuer": _HOST + "/v2.0",
    }


msal.authority.tenant_discovery = _tenant_discovery
msal.authority.Authority.user_realm_discovery = lambda *_arguments, **_options: {}
msal.application.ClientApplication._get_instance_metadata = lambda *_arguments: _CLOUD
