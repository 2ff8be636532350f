"""What each process of the tests of the lock does."""

import os
import time

if os.environ.get("TOKENKEEP_ALIAS"):
    # Where processes are not forked, each begins without the plugin.
    import alias  # noqa: F401

from msal_extensions import CrossPlatLock, LockError


def _acquire_lock_and_write_to_cache(cache_location, sleep_interval):
    try:
        with CrossPlatLock(cache_location + ".lockfile"):
            _write(cache_location, "<")
            time.sleep(sleep_interval)
            _write(cache_location, ">")
    except LockError:
        # The tests count those that got the lock.
        pass


def _write(path, tag):
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{tag} {os.getpid()}\n")
