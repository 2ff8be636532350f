"""A provider without a network: it takes each refresh token once, in whatever process.

It keeps in a folder which tokens were spent.
"""

import json
import os

from peers import encoded

HOST = "https://login.microsoftonline.com/common"


class Provider:
    """A client of HTTP for msal."""

    def __init__(self, folder):
        self.folder = folder

    def get(self, url, **_request):
        base = HOST + "/oauth2/v2.0/"
        return _Response(
            200,
            {
                "authorization_endpoint": base + "authorize",
                "token_endpoint": base + "token",
                "issuer": HOST + "/v2.0",
            },
        )

    def post(self, url, data=None, **_request):
        spent = data["refresh_token"]
        try:
            os.mkdir(os.path.join(self.folder, spent))
        except FileExistsError:
            os.mkdir(os.path.join(self.folder, f"{spent} again by {os.getpid()}"))
            return _Response(400, {"error": "invalid_grant", "error_description": "spent"})
        number = len(os.listdir(self.folder))
        return _Response(
            200,
            {
                "token_type": "Bearer",
                "access_token": f"AT{number}",
                "refresh_token": f"RT{number}",
                "expires_in": 3600,
                "scope": data["scope"],
                "client_info": encoded({"uid": "ada", "utid": "contoso"}),
            },
        )

    def close(self):
        """There is nothing to close."""


class _Response:
    def __init__(self, status_code, body):
        self.status_code, self.text, self.headers = status_code, json.dumps(body), {}

    def raise_for_status(self):
        if self.status_code >= 400:
            raise RuntimeError(self.text)
