"""A Secret Service that is unlocked, or locked: `vault.py FOLDER STATE`."""

import os
import sys

import tokenkeep
from tokenkeep import _native

folder, state = sys.argv[1], sys.argv[2]
authority = "https://login.example.com/tenant"
location = os.path.join(folder, "sub", "cache")
store = _native.Store.msal_extensions(location, schema="tests", attributes=[("a", "b")], label="L")
assert store.is_encrypted and store.guard == "Secret Service" and store.location == location


def raises(kind, call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except kind as error:
        return error
    raise AssertionError("nothing was raised")


if state == "locked":
    for call in (store.reach, store.load, lambda: store.save(b"x"), store.begin):
        error = raises(tokenkeep.PersistenceLocked, call)
        assert error.kind == "VaultLocked" and "unlock" in error.next_step
    raises(tokenkeep.PersistenceLocked, tokenkeep.open, "com.example.locked")
    cache, reason = tokenkeep.open_or_memory("com.example.locked")
    assert isinstance(reason, tokenkeep.PersistenceLocked) and cache.path is None
    check = tokenkeep.doctor()[0]
    assert isinstance(check.error, tokenkeep.PersistenceLocked), check
    print("done")
    sys.exit()

store.reach()
assert store.load() is None and not os.path.exists(location)
for content in (b"", "t\u00e9xt".encode(), b"[1]"):
    stamp = store.save(content)
    assert store.load() == content and store.stamp() is not None
raises(tokenkeep.InvalidError, store.save, b"\xff")
assert os.path.getsize(location) == 0 and store.time_last_modified() > 0
with store.begin() as transaction:
    assert transaction.content == b"[1]"
    transaction.commit(b"{}")
assert store.cache().accounts() == []
store.delete()
assert store.load() is None and not os.path.exists(location)

cache = tokenkeep.open("com.example.vault")
assert "Secret Service" in cache.prepare()
cache.add_response("c", authority, ["s"], '{"access_token": "x", "expires_in": 3600}')
found = tokenkeep.open("com.example.vault").find_access_token("c", authority, ["s"])
assert found.secret == "x"
with open(os.path.join(cache.path, "cache.sealed"), "rb") as file:
    assert b"access_token" not in file.read()
cache.clear()
assert tokenkeep.doctor()[0].works
print("done")
