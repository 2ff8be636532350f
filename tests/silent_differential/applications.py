"""msal 1.39.0 with a scripted provider: one JSON request per line in, one JSON answer per line out.

`new` makes an application and its cache, from sign-ins and from entries that take the place of what
is there. `call` asks it for a token at a time, with the answers of the provider in their order.
"""

import json
import sys
import time
import warnings
from urllib.parse import urlsplit

import msal
import requests

warnings.simplefilter("ignore")


class Response:
    def __init__(self, status, text, headers):
        self.status_code, self.text, self.headers = status, text, headers

    def raise_for_status(self):
        if self.status_code >= 400:
            raise requests.HTTPError(str(self.status_code))


class Provider:
    """An http client that answers from a script. Where that ends, nothing listens."""

    def __init__(self, hosts):
        self.hosts, self.answers, self.forms = hosts, [], []

    def get(self, url, **_):
        base = url.split("/v2.0/")[0].split("/.well-known/")[0]
        if "/discovery/instance" in url:
            found = {"metadata": [{"aliases": self.hosts}]}
        else:
            is_cloud = urlsplit(url).hostname in self.hosts
            found = {
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "issuer": f"{base}/v2.0" if is_cloud else base,
            }
        return Response(200, json.dumps(found), {})

    def post(self, url, data=None, **_):
        self.forms.append(data)
        if not self.answers:
            raise requests.ConnectionError("nothing listens")
        status, text, headers = self.answers.pop(0)
        if status == 0:
            raise requests.ConnectionError(text)
        return Response(status, text, headers)

    def close(self):
        pass


def op_new(args):
    global application, cache, provider
    cache = msal.SerializableTokenCache()
    for event in args["sign_ins"]:
        cache.add(event["event"], now=event["now"])
    state = json.loads(cache.serialize())
    for section, entries in args["entries"].items():
        state.setdefault(section, {})
        for key, entry in entries.items():
            state[section].pop(key, None)
            if entry is not None:
                state[section][key] = entry
    cache.deserialize(json.dumps(state, indent=4))
    provider = Provider(args["hosts"])
    is_cloud = urlsplit(args["authority"]).hostname in args["hosts"]
    place = {"authority" if is_cloud else "oidc_authority": args["authority"]}
    options = dict(token_cache=cache, http_client=provider, **place)
    options["client_capabilities"] = args["capabilities"] or None
    application = (
        msal.ConfidentialClientApplication(args["client"], client_credential="secret", **options)
        if args["app_only"]
        else msal.PublicClientApplication(args["client"], **options)
    )
    return cache.serialize()


def op_call(args):
    time.time = lambda: args["now"]
    provider.answers, provider.forms = list(args["answers"]), []
    home = args["account"]
    options = {"claims_challenge": args["claims"], "data": dict(args["data"])}
    try:
        if args["app_only"]:
            result = application.acquire_token_for_client(args["scopes"], **options)
        else:
            result = application.acquire_token_silent_with_error(
                args["scopes"],
                account=home and {"home_account_id": home},
                force_refresh=args["force"],
                **options,
            )
    except requests.ConnectionError:
        result = "unreachable"
    except (requests.HTTPError, msal.exceptions.MsalServiceError):
        result = "unavailable"
    except ValueError:
        result = "unusable" if provider.forms else "invalid"
    return {"result": result, "forms": provider.forms, "cache": cache.serialize()}


def op_version(_):
    return msal.__version__


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": globals()["op_" + request["op"]](request)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
