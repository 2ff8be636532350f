"""msal 1.39.0 as an oracle: one JSON request per line in, one JSON answer per line out.

Every request is {"op": NAME, ...}; every answer is {"ok": RESULT} or {"error": TYPE}. Entries are
passed as JSON text, because their numbers and order matter.
"""
import json
import sys
import warnings

import msal

warnings.simplefilter("ignore")
cache = msal.SerializableTokenCache()


def search(args):
    kind, query, target = args["type"], args.get("query"), args.get("target")
    return list(cache.search(kind, target=target, query=query, now=args["now"]))


def op_reset(args):
    global cache
    cache = msal.SerializableTokenCache()


def op_add(args):
    global last_add
    last_add = args
    cache.add(json.loads(args["event"]), now=args["now"])


def op_search(args):
    return [json.dumps(entry, indent=4) for entry in search(args)]


def op_update(args):
    entry = search(args)[args["nth"]]
    real, msal.token_cache.time.time = msal.token_cache.time.time, lambda: args["now"]
    try:
        cache.update_rt(entry, args["secret"])
    finally:
        msal.token_cache.time.time = real


def op_resurrect(args):
    """Updates the refresh token of the last event, which was removed in the meantime."""
    op_add(last_add)
    entry = next(iter(cache.search("RefreshToken")))
    cache.remove_rt(entry)
    cache.update_rt(entry, args["secret"])


def op_replaced(args):
    """Does something with the entry of the last event's refresh token after another one took its place."""
    op_add(last_add)
    entry = next(iter(cache.search("RefreshToken")))
    cache.update_rt(entry, args["secret"])
    if args["do"] == "remove":
        cache.remove_rt(entry)
    elif args["do"] == "update":
        cache.update_rt(entry, "older")
    else:
        cache.modify("RefreshToken", entry, {"note": "mine"})


def op_modify(args):
    cache.modify(args["type"], search(args)[args["nth"]], args["changes"])


def op_remove(args):
    remove = {
        "AccessToken": cache.remove_at,
        "RefreshToken": cache.remove_rt,
        "IdToken": cache.remove_idt,
        "Account": cache.remove_account,
    }[args["as"]]
    remove(search(args)[args["nth"]])


def op_state(args):
    changed = cache.has_state_changed
    return [changed, cache.serialize()] if args.get("text", True) else [changed, None]


def op_reload(args):
    cache.deserialize(cache.serialize())


def op_load(args):
    cache.deserialize(args["text"])


def op_key(args):
    return cache.key_makers[args["type"]](**json.loads(args["entry"]))


def op_ext_key(args):
    return msal.token_cache._compute_ext_cache_key(args["data"])


class NoNetwork:
    """An http client that knows one document: what an authority's endpoints are."""

    def get(self, url, **kwargs):
        base = url.split("/v2.0/")[0].rstrip("/")
        text = json.dumps({
            "authorization_endpoint": base + "/authorize",
            "token_endpoint": base + "/oauth2/v2.0/token",
            "issuer": base + "/v2.0",
        })
        return type("Response", (), {"status_code": 200, "text": text, "headers": {}})()

    def post(self, url, **kwargs):
        raise OSError("no network")

    def close(self):
        pass


class OneAnswer(NoNetwork):
    """An http client whose token endpoint answers with this text."""

    def __init__(self, text):
        self.text = text

    def post(self, url, **kwargs):
        return type("Response", (), {"status_code": 200, "text": self.text, "headers": {}})()


def app(args, http_client=None):
    return msal.PublicClientApplication(
        args["client_id"], authority=args["authority"], token_cache=cache,
        http_client=http_client or NoNetwork(), instance_discovery=False)


def op_answer(args):
    """Signs in with a refresh token, which the token endpoint answers so."""
    application = app(args, OneAnswer(args["answer"]))
    application.acquire_token_by_refresh_token("RT", args["scopes"])


def op_accounts(args):
    return app(args).get_accounts(args.get("username"))


def op_sign_out(args):
    application = app(args)
    for account in application.get_accounts():
        if account["home_account_id"] == args["home_account_id"]:
            application.remove_account(account)


def op_silent(args):
    application = app(args)
    wanted = args["home_account_id"]
    account = next(a for a in application.get_accounts() if a["home_account_id"] == wanted)
    result = application.acquire_token_silent(args["scopes"], account)
    return result and result["access_token"]


def op_version(args):
    return msal.__version__


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": globals()["op_" + request["op"]](request)}
    except Exception as error:  # The kind of failure is part of the answer.
        answer = {"error": type(error).__name__}
    print(json.dumps(answer), flush=True)
