"""One sign-in into a cache of about 12 kB: `sign_in.py KIND FOLDER COUNT` prints µs of CPU."""

import json
import os
import sys
import time

kind, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
path = os.path.join(folder, f"{kind}.json")
authority = "https://login.microsoftonline.com/tenant"
# {"uid": "7", "utid": "t"}
info = "eyJ1aWQiOiAiNyIsICJ1dGlkIjogInQifQ"


def answer(number):
    token = f"{number:04}" + "x" * 700
    more = {"refresh_token": "r" * 600, "client_info": info}
    return {"access_token": token, "expires_in": 36000, **more}


def scope(number):
    # The cache does not grow: each place is signed in to again.
    return f"scope-{number % 6}"


if kind == "tokenkeep":
    from tokenkeep import _native

    cache = _native.Store.plaintext(path).cache()
    requests = [_native.TokenRequest("client", authority, [scope(at)]) for at in range(6)]

    def sign_in(number):
        assert cache.add_response(requests[number % 6], json.dumps(answer(number))).is_stored

else:
    import msal_extensions

    cache = msal_extensions.PersistedTokenCache(msal_extensions.FilePersistence(path))
    endpoint = authority + "/oauth2/v2.0/token"

    def sign_in(number):
        event = {"client_id": "client", "scope": [scope(number)], "token_endpoint": endpoint}
        cache.add({**event, "response": answer(number)})


for number in range(6):
    sign_in(number)
before, begun = time.process_time(), time.perf_counter()
for number in range(count):
    sign_in(number)
used, took = time.process_time() - before, time.perf_counter() - begun
print(used / count * 1e6, took / count * 1e6, os.path.getsize(path))
