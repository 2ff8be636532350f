"""A provider of sign-ins that answers from a script, in the process that asks: no network is touched."""

import base64
import io
import json
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

HOST = "https://login.microsoftonline.com"
USERNAME = "ada@example.com"
HOME = {"uid": "uid", "utid": "utid"}


class Provider(HTTPAdapter):
    """Gives a new refresh token for each one that is spent, and takes none twice."""

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.issued = 0
        self.good = set()
        self.asked = ""

    def session(self):
        session = requests.Session()
        session.mount("https://", self)
        return session

    def send(self, request, **_):
        body = request.body or ""
        form = dict(parse_qsl(body.decode() if isinstance(body, bytes) else body))
        tenant, _, path = urlsplit(request.url).path.strip("/").partition("/")
        status, answer = self.answer(tenant, path, form)
        content = io.BytesIO(json.dumps(answer).encode())
        headers = {"Content-Type": "application/json"}
        response = HTTPResponse(content, headers, status, preload_content=False)
        return self.build_response(request, response)

    def answer(self, tenant, path, form):
        if path == "v2.0/.well-known/openid-configuration":
            return 200, {
                "issuer": f"{HOST}/{tenant}/v2.0",
                "authorization_endpoint": f"{HOST}/{tenant}/oauth2/v2.0/authorize",
                "token_endpoint": f"{HOST}/{tenant}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{HOST}/{tenant}/oauth2/v2.0/devicecode",
            }
        if path == "discovery/instance":
            hosts = ["login.microsoftonline.com", "login.windows.net", "sts.windows.net"]
            return 200, {
                "metadata": [
                    {"preferred_network": hosts[0], "preferred_cache": hosts[1], "aliases": hosts}
                ]
            }
        if path == "oauth2/v2.0/devicecode":
            self.asked = form["scope"]
            return 200, {
                "device_code": "device code",
                "user_code": "USER CODE",
                "verification_uri": "https://example.com/device",
                "expires_in": 900,
                "interval": 1,
                "message": "nobody reads this",
            }
        assert path == "oauth2/v2.0/token", path
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self.good:
                return 400, {"error": "invalid_grant", "error_description": "it was spent"}
            self.good.remove(form["refresh_token"])
        return 200, self.issue(tenant, form["client_id"], form.get("scope", self.asked).split())

    def issue(self, tenant, client_id, scopes, expires_in=3600):
        self.issued += 1
        refresh_token = f"{self.name}-refresh-{self.issued}"
        self.good.add(refresh_token)
        claims = {
            "iss": f"{HOST}/{tenant}/v2.0",
            "aud": client_id,
            "sub": "subject",
            "oid": "uid",
            "tid": tenant,
            "preferred_username": USERNAME,
            "exp": 4102444800,
        }
        reserved = {"openid", "profile", "offline_access"}
        return {
            "token_type": "Bearer",
            "scope": " ".join(scope for scope in scopes if scope not in reserved),
            "expires_in": expires_in,
            "access_token": f"{self.name}-access-{self.issued}",
            "refresh_token": refresh_token,
            "id_token": f"{segment({'alg': 'none'})}.{segment(claims)}.",
            "client_info": segment(HOME),
        }


def segment(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
