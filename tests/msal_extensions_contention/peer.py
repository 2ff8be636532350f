"""msal-extensions among others on one cache: peer.py NUMBER KIND READS FOLDER UPDATES.

KIND is the lock, `created` or `locked`; READS says when the cache is read again, `by-time` as msal-extensions does it or `always`.
Every read and write of the store, and every entry into the lock, becomes a line of FOLDER/log before and after it.
"""

import hashlib
import os
import re
import sys
import time

number, kind, reads, folder, updates = sys.argv[1:]
if kind == "created":
    # As where portalocker is not installed: the lock is the file's existence.
    sys.modules["portalocker"] = None
from msal_extensions import LockError, PersistedTokenCache, build_encrypted_persistence
from msal_extensions import token_cache

LOG = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_APPEND)


def note(*words):
    os.write(LOG, (" ".join((number, *words)) + "\n").encode())


class Lock(token_cache.CrossPlatLock):
    def __enter__(self):
        note("wait")
        began = time.monotonic()
        try:
            held = super().__enter__()
        except LockError:
            note("refused")
            raise
        note("enter", str(int((time.monotonic() - began) * 1000)))
        return held

    def __exit__(self, *arguments):
        note("leave")
        super().__exit__(*arguments)
        # By now it has removed the file of that name, whosever it was.
        note("left")


class Rereading(PersistedTokenCache):
    def _reload_if_necessary(self):
        self._last_sync = 0
        super()._reload_if_necessary()


def digest(content):
    return hashlib.sha256(content.encode()).hexdigest()


def members(content):
    found = {}
    for process, entry in set(re.findall(r"client-(\d+)-(\d+)", content)):
        found.setdefault(int(process), set()).add(int(entry))
    return ";".join(f"{process}:{ranges(found[process])}" for process in sorted(found)) or "-"


def ranges(entries):
    found = []
    for entry in sorted(entries):
        if found and entry == found[-1][1] + 1:
            found[-1][1] = entry
        else:
            found.append([entry, entry])
    return ",".join(f"{first}-{last}" for first, last in found)


def logged(persistence):
    load, save = persistence.load, persistence.save

    def logged_load():
        note("load")
        try:
            content = load()
        except Exception:
            note("loaded", "-")
            raise
        note("loaded", digest(content))
        return content

    def logged_save(content):
        note("save", digest(content), members(content))
        save(content)
        note("saved")

    persistence.load, persistence.save = logged_load, logged_save
    return persistence


def entry(update):
    return {"client_id": f"client-{number}-{update}", "environment": "e"}


def main():
    token_cache.CrossPlatLock = Lock
    persistence = logged(build_encrypted_persistence(os.path.join(folder, "cache")))
    cache = (Rereading if reads == "always" else PersistedTokenCache)(persistence)
    print("ready", flush=True)
    sys.stdin.readline()
    for update in range(int(updates)):
        # A program looks for a token before it asks for a new one.
        list(cache.search("AccessToken", target=["s1"], query={"client_id": "nobody"}))
        while True:
            try:
                cache.modify("AppMetadata", entry(update), entry(update))
                break
            except LockError:
                pass
        note("ack", str(update))
        # As long as a program is busy with other things.
        time.sleep(0.1)


main()
