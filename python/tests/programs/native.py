"""The native interface does what its documentation says."""

import json
import os
import sys

import tokenkeep

folder = sys.argv[1]
authority = "https://login.microsoftonline.com/organizations"
source = tokenkeep.KeySource.key_file(os.path.join(folder, "key", "a.key"))


def opened():
    place = os.path.join(folder, "cache")
    return tokenkeep.open("native", folder=place, key_sources=[source], lock_timeout=60)


def raises(kind, call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except kind as error:
        return error
    raise AssertionError("nothing was raised")


# {"uid": "7", "utid": "t"}
info = "eyJ1aWQiOiAiNyIsICJ1dGlkIjogInQifQ"


def answer(token, lifetime=3600, **more):
    reply = {"access_token": token, "expires_in": lifetime, "client_info": info, **more}
    return json.dumps(reply)


cache = opened()
assert cache.accounts() == [] and cache.is_encrypted and "key file" in cache.protection
assert "key file" in cache.prepare()
token = cache.add_response("client", authority, ["read"], answer("one", refresh_token="r1"))
assert token.is_stored and token.unstored_because is None and not token.is_from_cache
assert "one" not in repr(token)
found = opened().find_access_token("client", authority, ["read"])
assert (found.secret, found.token_type, found.is_from_cache) == ("one", "Bearer", True)
(account,) = cache.accounts()
assert account.home_account_id == "7.t" == found.home_account_id and account == found.account
assert cache.accounts(authority) == [account] == list({account: 1})
assert opened().find_access_token("client", authority, ["read"], account=account).secret == "one"
assert opened().find_access_token("client", authority, ["read"], account="8.t") is None

# A renewal: one that the API refused, with what the provider says in every way.
asked = []


def exchange(spend):
    asked.append(spend)
    assert 0 < spend.timeout <= 30 and spend.client_id == "client" and spend.attempt == 1
    form = dict(spend.form)
    assert form["grant_type"] == "refresh_token" == spend.grant_type
    assert form["refresh_token"] == spend.refresh_token and "r1" not in repr(spend)
    return 200, answer("two", refresh_token="r2").encode(), None


renew = {"instead_of": found, "account": account}
token = cache.acquire_token_silent("client", authority, ["read"], exchange, **renew)
assert token.secret == "two" and [spend.refresh_token for spend in asked] == ["r1"]
assert cache.acquire_token_silent("client", authority, ["read"], exchange).secret == "two"
assert len(asked) == 1


def again(client, reply):
    """A silent call of `client` whose exchange returns or raises `reply`."""
    cache.add_response(client, authority, ["read"], answer("old", 0, refresh_token=client))

    def exchange(spend):
        if isinstance(reply, BaseException):
            raise reply
        return reply

    return cache.acquire_token_silent(client, authority, ["read"], exchange)


refused = '{"error": "invalid_client", "error_description": "no such client"}'
error = raises(tokenkeep.Refused, again, "refused", (400, refused))
assert (error.code, error.description) == ("invalid_client", "no such client")
error = raises(tokenkeep.SignInNeeded, again, "gone", (400, '{"error": "invalid_grant"}'))
assert error.is_sign_in_needed and error.code == "invalid_grant"
error = raises(tokenkeep.ProviderUnavailable, again, "busy", (503, "", "7"))
assert (error.status, error.retry_in) == (503, 7.0), (error.status, error.retry_in)
error = raises(tokenkeep.ProviderUnreachable, again, "unsent", ConnectionRefusedError("refused"))
assert isinstance(error.__cause__, ConnectionRefusedError) and error.is_retryable
error = raises(tokenkeep.ProviderUnavailable, again, "unknown", ValueError("broken"))
assert isinstance(error.__cause__, ValueError), error.__cause__
raises(KeyboardInterrupt, again, "interrupted", KeyboardInterrupt())
assert cache.find_access_token("client", authority, ["read"]).secret == "two"

# All or nothing.
raises(ZeroDivisionError, cache.transaction, lambda tokens: tokens.sign_out(account) / 0)
assert cache.accounts() == [account]
assert json.loads(cache.to_json())["RefreshToken"]
with cache.refresh_lease("client", authority, ["read"]) as lease:
    assert lease.is_intact()
    busy = raises(
        tokenkeep.RefreshInProgress, opened().refresh_lease, "client", authority, ["read"], wait=0
    )
assert not lease.is_intact() and busy.waited is not None

# The core's sign-out on the text, and the one of the cache.
from tokenkeep import _native  # noqa: E402

text, removed = _native.sign_out(cache.to_json(), home_account_id="7.t", client_id="client")
clients = {entry["client_id"] for entry in json.loads(text)["RefreshToken"].values()}
assert removed >= 3 and "client" not in clients and "unsent" in clients, clients
same, removed = _native.sign_out(b'{"x":  1}', home_account_id="7.t")
assert (same, removed) == (b'{"x":  1}', 0)
elsewhere = {"home_account_id": "7.t", "environment": "login.partner.microsoftonline.cn"}
assert _native.sign_out(cache.to_json(), **elsewhere)[1] == 0
alias = {"home_account_id": "7.t", "environment": "sts.windows.net"}
assert _native.sign_out(cache.to_json(), **alias)[1] >= 3

revoked = []
assert cache.sign_out(account, "client", revoke=revoked.append) >= 3
assert revoked == ["r2"] and opened().accounts() == []
cache.settle()

token = cache.acquire_token_for_client(
    "daemon", authority, ["api"], lambda spend: (200, '{"access_token": "app", "expires_in": 60}')
)
assert token.secret == "app"

# What is given up.
assert "key file" in cache.verify()
aside = cache.quarantine()
assert os.path.isfile(aside) and cache.quarantine() is None
cache.add_response("client", authority, ["read"], answer("three"))
cache.reset()
assert cache.accounts() == [] and not os.path.exists(aside)
cache.clear()

# Memory, with the reason.
cache, reason = tokenkeep.open_or_memory("a name with blanks")
assert isinstance(reason, tokenkeep.InvalidError) and not cache.is_encrypted
assert cache.path is None and cache.add_response("c", authority, ["s"], answer("m")).secret == "m"
fine = os.path.join(folder, "fine")
cache, reason = tokenkeep.open_or_memory("fine", folder=fine, key_sources=[source])
assert reason is None and cache.path == fine

# A passphrase that is asked for, and a key that the program has.
asked = []
ask = tokenkeep.KeySource.passphrase(lambda is_new: asked.append(is_new) or "several words")
place = {"folder": os.path.join(folder, "asked"), "key_sources": [ask]}
tokenkeep.open("asked", **place).add_response("c", authority, ["s"], answer("p"))
assert asked == [True]
wrong = tokenkeep.KeySource.passphrase("other words")
cache = tokenkeep.open("asked", folder=os.path.join(folder, "asked"), key_sources=[wrong])
raises(tokenkeep.PersistenceDecryptionError, cache.accounts)
have = tokenkeep.KeySource.callback(lambda store, key_id, is_new: bytes(range(32)))
place = {"folder": os.path.join(folder, "callback"), "key_sources": [have]}
tokenkeep.open("callback", **place).add_response("c", authority, ["s"], answer("k"))
assert tokenkeep.open("callback", **place).find_access_token("c", authority, ["s"]).secret == "k"

checks = tokenkeep.doctor()
assert checks[0].source == "os_vault"
assert all(check.works == (check.error is None) for check in checks)
assert all(check.works or check.error.next_step for check in checks)
print("done")
