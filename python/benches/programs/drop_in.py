"""What a program with msal waits for: `drop_in.py PACKAGE PLACE FOLDER`.

Prints µs of CPU of a silent call that finds its token, and µs of CPU and in all of a sign-in into a
cache of about 12 kB.
"""

import importlib
import json
import os
import sys
import time

import msal

package, place, folder = sys.argv[1:]
msal_extensions = importlib.import_module(package)
path = os.path.join(folder, package)
kind = "LibsecretPersistence" if place == "vault" else "FilePersistence"
cache = msal_extensions.PersistedTokenCache(getattr(msal_extensions, kind)(path))

HOST = "https://login.microsoftonline.com/common"
# {"uid": "7", "utid": "t"}, and {"sub": "7", "preferred_username": "ada"}
INFO = "eyJ1aWQiOiAiNyIsICJ1dGlkIjogInQifQ"
CLAIMS = "eyJzdWIiOiAiNyIsICJwcmVmZXJyZWRfdXNlcm5hbWUiOiAiYWRhIn0"
SIGN_INS = 6 if place == "vault" else 30
HITS = 300


class NoNetwork:
    def get(self, url, **_request):
        end = HOST + "/oauth2/v2.0/"
        issuer = {"authorization_endpoint": end, "token_endpoint": end, "issuer": HOST + "/v2.0"}
        answer = type("Answer", (), {"status_code": 200, "headers": {}})
        answer.text = json.dumps(issuer)
        return answer

    post = close = None


def sign_in(number):
    token = f"{number:04}" + "x" * 700
    answer = {"access_token": token, "expires_in": 36000, "refresh_token": "r" * 600}
    event = {"client_id": "client", "scope": [f"scope-{number % 6}"]}
    event["token_endpoint"] = HOST + "/oauth2/v2.0/token"
    event["response"] = {**answer, "client_info": INFO, "id_token": f"e30.{CLAIMS}.s"}
    cache.add(event)


for number in range(6):
    sign_in(number)
before, begun = time.process_time(), time.perf_counter()
for number in range(SIGN_INS):
    sign_in(number)
cpu = (time.process_time() - before) / SIGN_INS
took = (time.perf_counter() - begun) / SIGN_INS

app = msal.PublicClientApplication(
    "client", token_cache=cache, instance_discovery=False, http_client=NoNetwork()
)
(account,) = app.get_accounts()
assert app.acquire_token_silent(["scope-1"], account)["token_source"] == "cache"
before = time.process_time()
for _ in range(HITS):
    app.acquire_token_silent(["scope-1"], account)
hit = (time.process_time() - before) / HITS
size = len(cache._persistence.load())
print(*(span * 1e6 for span in (hit, cpu, took)), size)
