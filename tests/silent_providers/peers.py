"""A program with msal and msal-extensions that does what its input says, a line each:

add JSON    stores the response of a token endpoint, and says "added"
acquire     asks for a token without the user, and says "token", or why there is none
"""

import json
import sys

import requests
from msal import PublicClientApplication
from msal_extensions import FilePersistence, PersistedTokenCache

issuer, token_endpoint, client_id, scope, path = sys.argv[1:]


class Plain:
    """msal takes an authority with https alone, and the provider on loopback has no certificate.
    As a proxy would, this stands between the two and changes the addresses."""

    def __init__(self):
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, url, **options):
        return self.send("GET", url, options)

    def post(self, url, **options):
        return self.send("POST", url, options)

    def send(self, method, url, options):
        response = self.session.request(method, url.replace("https://", "http://", 1), **options)
        response._content = response.content.replace(b"http://", b"https://")
        return response


cache = PersistedTokenCache(FilePersistence(path))
application = PublicClientApplication(
    client_id,
    oidc_authority=issuer.replace("http://", "https://", 1),
    token_cache=cache,
    http_client=Plain(),
)
print("ready", flush=True)
for line in sys.stdin:
    order, _, argument = line.partition(" ")
    if order == "add":
        event = {
            "client_id": client_id,
            "scope": [scope],
            "token_endpoint": token_endpoint.replace("http://", "https://", 1),
            "response": json.loads(argument),
        }
        cache.add(event)
        print("added", flush=True)
        continue
    account = application.get_accounts()[0]
    result = application.acquire_token_silent_with_error([scope], account) or {}
    if "access_token" in result:
        print("token", flush=True)
    else:
        print("no token:", result.get("error"), flush=True)
