"""Opening a store leaves no descriptor behind, and no memory that grows."""

import gc
import os
import sys

import tokenkeep
from tokenkeep import _native

folder, opens = sys.argv[1], int(sys.argv[2])
authority = "https://login.example.com/tenant"
key = os.path.join(folder, "key", "a.key")


def use():
    source = tokenkeep.KeySource.key_file(key)
    cache = tokenkeep.open("many", folder=os.path.join(folder, "cache"), key_sources=[source])
    assert cache.find_access_token("client", authority, ["read"]).secret == "one"
    store = _native.Store.plaintext(os.path.join(folder, "plain"))
    with store.begin() as transaction:
        assert transaction.content == b"content"


source = tokenkeep.KeySource.key_file(key)
cache = tokenkeep.open("many", folder=os.path.join(folder, "cache"), key_sources=[source])
cache.add_response(
    "client", authority, ["read"], '{"access_token": "one", "expires_in": 36000}'
)
_native.Store.plaintext(os.path.join(folder, "plain")).save(b"content")
use()
gc.collect()
before = set(os.listdir("/proc/self/fd"))
for _ in range(opens):
    use()
gc.collect()
after = set(os.listdir("/proc/self/fd"))
assert len(after) == len(before), (before, after)
print("done")
