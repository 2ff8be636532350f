"""What programs that fall back to plain text do while the vault is locked, and afterwards.

Usage: python locked_vault.py locked|unlocked
"""

import os
import sys

import peers

import tokenkeep.msal_extensions as ours
from tokenkeep.errors import PersistenceLocked

ours.install()

from azure.identity import TokenCachePersistenceOptions  # noqa: E402
from azure.identity._persistent_cache import _load_persistent_cache  # noqa: E402

# This user has allowed plain text.
options = TokenCachePersistenceOptions(name="tk", allow_unencrypted_storage=True)
cache = _load_persistent_cache(options)
assert type(cache) is ours.PersistedTokenCache
assert cache.is_encrypted, "a locked vault was taken for none"
location = cache._persistence.get_location()

if sys.argv[1] == "locked":
    for use in (lambda: cache.add(peers.sign_in("a")), lambda: peers.clients(cache)):
        try:
            use()
        except PersistenceLocked as error:
            assert error.next_step
        else:
            sys.exit("the vault was not locked")
    assert not os.path.exists(location) or os.path.getsize(location) == 0
else:
    cache.add(peers.sign_in("a"))
    assert peers.clients(cache) == ["a"]
    assert os.path.getsize(location) == 0, "it is the file that tells of changes"
