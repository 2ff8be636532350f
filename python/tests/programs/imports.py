"""Which modules the package pulls in."""

import sys

before = set(sys.modules)
import tokenkeep  # noqa: E402

added = set(sys.modules) - before
assert added == {"tokenkeep"}, added

# The way of a program to a token.
import os  # noqa: E402

source = tokenkeep.KeySource.key_file(os.path.join(sys.argv[1], "key", "a.key"))
cache = tokenkeep.open("imports", folder=os.path.join(sys.argv[1], "cache"), key_sources=[source])
authority = "https://login.example.com/tenant"
answer = '{"access_token": "one", "expires_in": 3600}'
cache.add_response("client", authority, ["read"], answer)
assert cache.find_access_token("client", authority, ["read"]).secret == "one"
added = {name for name in set(sys.modules) - before if not name.startswith("encodings.")}
assert added - {"__future__"} == {"tokenkeep", "tokenkeep._native", "tokenkeep.cache"}, added

# Every name is there, and is what it says.
for name in dir(tokenkeep):
    if name != "msal_extensions":
        assert getattr(tokenkeep, name) is not None, name
assert not {"msal", "asyncio"} & set(sys.modules)
try:
    tokenkeep.nonsense
except AttributeError:
    pass
else:
    raise AssertionError
assert tokenkeep.__version__.count(".") == 2
print("done")
