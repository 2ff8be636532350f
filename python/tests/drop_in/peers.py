"""Other processes: of the original msal-extensions, and of this package."""

import base64
import json
import os
import subprocess
import sys
import textwrap

_PRELUDE = {
    # As installed, the lock is the file's existence.
    "created": "import sys; sys.modules['portalocker'] = None; import msal_extensions",
    "portalocker": "import portalocker, msal_extensions",
    "ours": "import tokenkeep.msal_extensions as msal_extensions",
}
LOCKS = ("created", "portalocker")
KINDS = ("created", "portalocker", "ours")


def start(kind, code, *arguments, **options):
    """A process that runs `code` with `msal_extensions`, and with `arguments` in `sys.argv[1:]`.

    The original is run by the Python that has the bindings of libsecret.
    """
    program = _PRELUDE[kind] + "\n" + textwrap.dedent(code)
    python = sys.executable if kind == "ours" else os.environ["TOKENKEEP_ORIGINAL_PYTHON"]
    environment = dict(os.environ)
    if kind != "ours":
        environment["PYTHONPATH"] = os.environ["TOKENKEEP_ORIGINAL_PATH"]
    environment.update(options.pop("env", {}))
    words = [python, "-c", program, *map(str, arguments)]
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def run(kind, code, *arguments, **options):
    """What such a process prints, as JSON where it prints any."""
    process = start(kind, code, *arguments, **options)
    output, _ = process.communicate()
    assert process.returncode == 0, f"{kind} ended with {process.returncode}"
    return json.loads(output) if output else None


def sign_in(client, token="AT", refresh="RT", user="ada"):
    """The event that msal gives to a cache after a sign-in."""
    return {
        "client_id": client,
        "scope": ["s1"],
        "token_endpoint": "https://login.example.com/contoso/v2/token",
        "response": {
            "access_token": token,
            "refresh_token": refresh,
            "id_token": "e30."
            + encoded({"sub": user, "oid": user, "preferred_username": user})
            + ".s",
            "client_info": encoded({"uid": user, "utid": "contoso"}),
            "expires_in": 3600,
        },
    }


def encoded(claims):
    """Claims as a provider encodes them."""
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def clients(cache, kind="AccessToken"):
    """The clients that have such an entry."""
    return sorted(entry["client_id"] for entry in cache.search(kind))


def refresh_token(cache, client):
    """The refresh token that this client has."""
    return next(cache.search("RefreshToken", query={"client_id": client}))


def another(cache):
    """The cache as another process has it."""
    from tokenkeep.msal_extensions import FilePersistence, PersistedTokenCache

    return PersistedTokenCache(FilePersistence(cache._persistence.get_location()))
