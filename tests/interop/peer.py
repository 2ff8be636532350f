"""Real programs of the MSAL family at work: a line of JSON asks, a line of JSON answers.

Usage: peer.py NAME LOCK. NAME is part of the tokens that its provider issues. LOCK is `portalocker`, or `created` as where
portalocker is not installed.
"""

import json
import sys
import time
from importlib.metadata import version

name, lock = sys.argv[1:]
if lock == "created":
    sys.modules["portalocker"] = None

import msal
import msal_extensions
from msal_extensions.persistence import PersistenceNotFound

from provider import HOME, HOST, USERNAME, Provider

provider = Provider(name)
SCOPES = ["s1"]


def versions(packages):
    return [f"{package} {version(package)}" for package in packages]


def lock_in_use():
    return msal_extensions.CrossPlatLock.__module__


def issue(tenant, client_id, scopes, expires_in):
    return provider.issue(tenant, client_id, scopes, expires_in)


def exchange(tenant, form, expires_in):
    status, answer = provider.answer(tenant, "oauth2/v2.0/token", form)
    if status == 200:
        answer["expires_in"] = expires_in
    return [status, answer]


def persistence(identity, location):
    if identity == "file":
        return msal_extensions.FilePersistence(location)
    if identity == "default":
        return msal_extensions.build_encrypted_persistence(location)
    return msal_extensions.LibsecretPersistence(location, **identity)


class Application:
    """A program with msal, as its documentation shows one."""

    def __init__(self, identity, location, tenant, client_id):
        self.cache = msal_extensions.PersistedTokenCache(persistence(identity, location))
        self.app = msal.PublicClientApplication(
            client_id,
            authority=f"{HOST}/{tenant}",
            token_cache=self.cache,
            http_client=provider.session(),
        )
        self.known = None

    def sign_in(self):
        flow = self.app.initiate_device_flow(SCOPES)
        return self.app.acquire_token_by_device_flow(flow)["access_token"]

    def accounts(self):
        accounts = self.app.get_accounts()
        self.known = accounts[0] if accounts else self.known
        return [account["username"] for account in accounts]

    def silent(self):
        """The account that was seen last, or still to be seen, is asked for, even if it is gone from the cache."""
        self.accounts()
        if self.known is None:
            return [None, None]
        found = self.app.acquire_token_silent(SCOPES, account=self.known) or {}
        return [found.get("access_token"), found.get("token_source")]

    def sign_out(self):
        for account in self.app.get_accounts():
            self.app.remove_account(account)


class Azure:
    """A program with azure-identity. It knows who signed in, and asks a user only when it is told to."""

    def __init__(self, cache, cae, unencrypted, tenant, client_id):
        from azure.core.pipeline.transport import RequestsTransport
        from azure.identity import (
            AuthenticationRecord,
            DeviceCodeCredential,
            TokenCachePersistenceOptions,
        )

        if unencrypted:
            sys.modules["gi"] = None
        arguments = {} if cache is None else {"name": cache}
        host = HOST.removeprefix("https://")
        home = "{uid}.{utid}".format(**HOME)
        self.cae = cae
        self.credential = DeviceCodeCredential(
            client_id,
            authentication_record=AuthenticationRecord(tenant, client_id, host, home, USERNAME),
            disable_automatic_authentication=True,
            transport=RequestsTransport(session=provider.session(), session_owner=False),
            cache_persistence_options=TokenCachePersistenceOptions(
                allow_unencrypted_storage=unencrypted, **arguments
            ),
            prompt_callback=lambda *_: None,
        )

    def sign_in(self):
        self.credential.authenticate(scopes=SCOPES, enable_cae=self.cae)

    def silent(self):
        from azure.identity import AuthenticationRequiredError

        before = provider.issued
        try:
            token = self.credential.get_token(*SCOPES, enable_cae=self.cae).token
        except AuthenticationRequiredError:
            return [None, None]
        return [token, "cache" if provider.issued == before else "identity_provider"]


class Cache:
    """The cache alone, as a library would use it."""

    def __init__(self, identity, location):
        self.place = persistence(identity, location)
        self.cache = msal_extensions.PersistedTokenCache(self.place)

    def save(self, content):
        self.place.save(content)

    def load(self):
        try:
            return self.place.load()
        except PersistenceNotFound:
            return None

    def lost(self, foreign):
        """What of that JSON the cache does not hold any more, as it stood."""
        now, gone = json.loads(self.place.load()), []
        for section, entries in json.loads(foreign).items():
            if not isinstance(entries, dict):
                entries, there = {section: entries}, now
            else:
                there = now.get(section, {})
            gone += [key for key, entry in entries.items() if spelled(there.get(key)) != spelled(entry)]
        return gone

    def add(self, event):
        self.cache.add(event)

    def find(self, kind, client_id):
        return [entry["secret"] for entry in self.entries(kind, client_id)]

    def find_slowly(self, kind, client_id):
        """As find, with a pause for one line after the cache was read."""
        load = self.place.load

        def slowly():
            content = load()
            print(json.dumps({"answer": "read"}), flush=True)
            sys.stdin.readline()
            # What was written meanwhile may have a time that is a moment ahead of the clock.
            while time.time() <= self.place.time_last_modified():
                time.sleep(0.001)
            return content

        self.place.load = slowly
        found = self.find(kind, client_id)
        self.place.load = load
        return found

    def entries(self, kind, client_id):
        return list(self.cache.search(kind, query={"client_id": client_id}))

    def update_rt(self, client_id, secret):
        (entry,) = self.entries("RefreshToken", client_id)
        self.cache.update_rt(entry, secret)

    def remove_rt(self, client_id):
        (entry,) = self.entries("RefreshToken", client_id)
        self.cache.remove_rt(entry)

    def remove_at(self, client_id):
        (entry,) = self.entries("AccessToken", client_id)
        self.cache.remove_at(entry)


def spelled(value):
    return json.dumps(value, sort_keys=True)


def main():
    target = None
    kinds = {"Application": Application, "Azure": Azure, "Cache": Cache}
    free = {"versions": versions, "lock_in_use": lock_in_use, "issue": issue, "exchange": exchange}
    for line in sys.stdin:
        action, *arguments = json.loads(line)
        try:
            if action in kinds:
                target, answer = kinds[action](*arguments), None
            else:
                answer = (free.get(action) or getattr(target, action))(*arguments)
            answer = {"answer": answer}
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
