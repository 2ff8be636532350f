"""One renewal for all processes, and a sign-out that leaves nothing."""

import json
import os
import sys

import msal
import peers
import pytest
from provider import HOST, Provider

from tokenkeep import acquire_token_silent, sign_out
from tokenkeep.msal_extensions import FilePersistence, LibsecretPersistence, PersistedTokenCache

SCOPES = ["s1"]


def application(cache, folder):
    return msal.PublicClientApplication(
        "a", token_cache=cache, instance_discovery=False, http_client=Provider(str(folder))
    )


def sign_in(cache, expires_in):
    event = peers.sign_in("a", refresh="RT0")
    event["token_endpoint"] = HOST + "/oauth2/v2.0/token"
    event["response"]["expires_in"] = expires_in
    cache.add(event)


@pytest.fixture
def spent(tmp_path):
    folder = tmp_path / "spent"
    folder.mkdir()
    return folder


RENEWS = """
import json, sys
from test_renewal import SCOPES, acquire_token_silent, application
from tokenkeep.msal_extensions import FilePersistence, LibsecretPersistence, PersistedTokenCache

kind = LibsecretPersistence if sys.argv[3] == "vault" else FilePersistence
app = application(PersistedTokenCache(kind(sys.argv[1])), sys.argv[2])
(account,) = app.get_accounts()
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(acquire_token_silent(app, SCOPES, account)["access_token"]))
"""


@pytest.mark.parametrize("kind", ["file", "vault"])
def test_one_of_many_processes_renews_for_all(kind, location, spent):
    persistence = LibsecretPersistence(location) if kind == "vault" else FilePersistence(location)
    cache = PersistedTokenCache(persistence)
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    sign_in(cache, expires_in=1)
    processes = [peers.start("ours", RENEWS, location, spent, kind, env=env) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert said == ['"AT1"\n'] * 4
    assert os.listdir(spent) == ["RT0"]


def test_a_token_that_is_there_costs_no_lease(location, spent):
    cache = PersistedTokenCache(FilePersistence(location))
    sign_in(cache, expires_in=3600)
    app = application(cache, spent)
    (account,) = app.get_accounts()
    before = sorted(os.listdir(os.path.dirname(location)))
    assert acquire_token_silent(app, SCOPES, account)["access_token"] == "AT"
    assert sorted(os.listdir(os.path.dirname(location))) == before
    assert os.listdir(spent) == []
    forced = acquire_token_silent(app, SCOPES, account, force_refresh=True)
    assert forced["access_token"] == "AT1"
    # The cache is not watched any more.
    assert len(list(cache.search("RefreshToken"))) == 1


def test_a_refused_renewal_is_what_msal_says_of_it(location, spent):
    cache = PersistedTokenCache(FilePersistence(location))
    sign_in(cache, expires_in=1)
    (spent / "RT0").mkdir()
    app = application(cache, spent)
    (account,) = app.get_accounts()
    assert acquire_token_silent(app, SCOPES, account) is None
    assert acquire_token_silent(app, SCOPES, None) is None


def test_a_cache_of_msal_is_refused(spent):
    app = application(msal.SerializableTokenCache(), spent)
    with pytest.raises(TypeError, match="PersistedTokenCache"):
        acquire_token_silent(app, SCOPES, None)


def test_a_sign_out_leaves_nothing_of_the_account(location, spent):
    cache = PersistedTokenCache(FilePersistence(location))
    app = application(cache, spent)
    sign_in(cache, expires_in=3600)
    other = peers.sign_in("a", user="bob")
    other["token_endpoint"] = HOST + "/oauth2/v2.0/token"
    cache.add(other)
    # What msal leaves: a token of an earlier name of the cloud.
    state = json.loads(cache._persistence.load())
    tokens = state["AccessToken"].values()
    token = next(each for each in tokens if each["home_account_id"] == "ada.contoso")
    old = dict(token, environment="login.windows.net", secret="left behind")
    state["AccessToken"]["as another library names it"] = old
    cache._persistence.save(json.dumps(state))
    account = next(each for each in app.get_accounts() if each["username"] == "ada")
    sign_out(app, account)
    left = json.loads(cache._persistence.load())
    for kind in ("AccessToken", "RefreshToken", "IdToken", "Account"):
        owners = {entry["home_account_id"] for entry in left[kind].values()}
        assert owners == {"bob.contoso"}, kind
    assert [each["username"] for each in app.get_accounts()] == ["bob"]
