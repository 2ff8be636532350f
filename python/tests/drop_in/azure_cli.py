"""What the command-line program of Azure does with its caches, on this package.

Usage: python azure_cli.py FOLDER plain|vault|locked
"""

import json
import os
import sys
import time

import offline  # noqa: F401
import peers

import tokenkeep.msal_extensions as ours
from tokenkeep.errors import PersistenceLocked

folder, place = sys.argv[1:]
os.environ["AZURE_CONFIG_DIR"] = folder
ours.install()

from azure.cli.core.auth import identity, persistence  # noqa: E402

SCOPES = ["https://management.core.windows.net//.default"]
encrypt = place != "plain"
location = os.path.join(folder, "msal_token_cache")
secrets = os.path.join(folder, "service_principal_entries")
assert persistence.PersistedTokenCache is ours.PersistedTokenCache


def user():
    """What `az` makes at each start."""
    identity.Identity._msal_token_cache = None
    return identity.Identity(
        "https://login.microsoftonline.com",
        tenant_id="common",
        encrypt=encrypt,
        use_msal_http_cache=False,
    )


def files():
    """The names and contents of what is in the folder."""
    found = {}
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                found[name] = file.read()
    return found


def signed_in(app):
    event = peers.sign_in(app.client_id)
    event["scope"] = SCOPES
    event["token_endpoint"] = "https://login.microsoftonline.com/common/oauth2/v2.0/token"
    event["grant_type"] = "authorization_code"
    app.token_cache.add(event)


if place == "locked":
    # What `az` does while the vault is locked: it fails, and writes no plain text.
    cache = persistence.load_persisted_token_cache(location, encrypt)
    store = persistence.load_secret_store(secrets, encrypt)
    for use in (lambda: cache.add(peers.sign_in("a")), lambda: store.save([{"secret": "s3cr3t"}])):
        try:
            use()
        except PersistenceLocked as error:
            assert error.strerror and error.next_step
        else:
            sys.exit("the vault was not locked")
    assert not any(files().values()), files()
    sys.exit()

one = user()
signed_in(one._msal_app)
assert type(one._msal_app.token_cache) is ours.PersistedTokenCache
assert one._msal_app.token_cache.is_encrypted == encrypt
# Another start of the program.
two = user()
assert [account["username"] for account in two.get_user()] == ["ada"]
credential = two.get_user_credential("ada")
assert credential.acquire_token(SCOPES)["access_token"] == "AT"

store = persistence.load_secret_store(secrets, encrypt)
if not encrypt:
    # In a vault, `az` names the item of its secrets as that of its tokens.
    assert store.load() == []
    store.save([{"client_id": "x", "client_secret": "s3cr3t"}])
    assert persistence.load_secret_store(secrets, encrypt).load()[0]["client_secret"] == "s3cr3t"
else:
    assert not any(files().values()), "plain text"

two.logout_user("ada")
assert user().get_user() == [] and one.get_user() == []
signed_in(one._msal_app)
two.logout_all_users()
assert two.get_user() == []
assert not os.path.exists(location + persistence.file_extensions[encrypt])


class Tried(ours.PersistedTokenCache):
    """What `az` tried against corrupt files."""

    def _reload_if_necessary(self):
        try:
            super()._reload_if_necessary()
        except json.JSONDecodeError:
            self.deserialize(None)
            self._last_sync = time.time()


broken = ours.FilePersistence(os.path.join(folder, "broken.json"))
broken.save("{}extra")
cache = Tried(broken)
assert list(cache.search("Account")) == []
cache.add(peers.sign_in("a"))
assert "AccessToken" in json.loads(broken.load())
