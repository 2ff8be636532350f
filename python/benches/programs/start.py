"""What a process costs until it has its token, beside bare Python: `start.py FOLDER PAIRS`.

The kinds of process run in turns, so that all have the same share of what else the machine does.
"""

import os
import statistics
import subprocess
import sys
import time

folder, pairs = sys.argv[1], int(sys.argv[2])

PLACE = {"folder": os.path.join(folder, "cache"), "key": os.path.join(folder, "key", "a.key")}
NATIVE = f"""
import tokenkeep
source = tokenkeep.KeySource.key_file({PLACE["key"]!r})
cache = tokenkeep.open("bench", folder={PLACE["folder"]!r}, key_sources=[source])
"""
FIND = 'assert cache.find_access_token("client", "https://login.microsoftonline.com/t", ["s"])\n'
ORIGINAL = f"""
import msal, msal_extensions
cache = msal_extensions.PersistedTokenCache(
    msal_extensions.FilePersistence({os.path.join(folder, "original.json")!r}))
"""
SEARCH = """
at = msal.TokenCache.CredentialType.ACCESS_TOKEN
assert next(cache.search(at, target=["s"], query={"client_id": "client"}))
"""
ADD = """
cache.add({"client_id": "client", "scope": ["s"], "environment": "login.microsoftonline.com",
    "token_endpoint": "https://login.microsoftonline.com/t/oauth2/v2.0/token",
    "response": {"access_token": "one", "expires_in": 36000}})
"""
KINDS = {
    "bare": "pass",
    "import": "import tokenkeep",
    "native": NATIVE + FIND,
    "original": ORIGINAL + SEARCH,
}


def run(code):
    """The seconds that a process takes, and those of its processors."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code])
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - begun
    process.returncode = status
    if status:
        raise SystemExit(f"{code}\nfailed: {status}")
    return took, usage.ru_utime + usage.ru_stime


answer = '{"access_token": "one", "expires_in": 36000}'
call = f'"client", "https://login.microsoftonline.com/t", ["s"], {answer!r}'
run(NATIVE + f"cache.add_response({call})\n")
run(ORIGINAL + ADD)
for code in KINDS.values():
    run(code)
spans = {kind: [] for kind in KINDS}
for _ in range(pairs):
    for kind, code in KINDS.items():
        spans[kind].append(run(code))

def over_bare(kind, which):
    """The median of the differences to bare Python of the same round, in milliseconds."""
    pairs_of = zip(spans[kind], spans["bare"])
    return statistics.median(span[which] - bare[which] for span, bare in pairs_of) * 1000


walls, processors = zip(*spans["bare"])
print(
    f"bare Python {sys.version.split()[0]}: {statistics.median(walls) * 1000:.1f} ms, "
    f"{statistics.median(processors) * 1000:.1f} ms of CPU (median of {pairs})"
)
ROWS = (
    ("import", "import tokenkeep", ", bar 3 ms"),
    ("native", "tokenkeep to a token from a sealed cache", ", bar 10 ms"),
    ("original", "msal with msal-extensions to a token from a file", ""),
)
for kind, what, bar in ROWS:
    print(
        f"{what}: {over_bare(kind, 0):+.1f} ms over bare Python, "
        f"{over_bare(kind, 1):+.1f} ms of CPU (medians of pairs{bar})"
    )
