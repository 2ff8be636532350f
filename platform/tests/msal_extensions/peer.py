"""Does with Python's lock what its arguments say: KIND ACTION LOCATION [COUNT]."""

import os
import sys
import time

kind, action, location = sys.argv[1:4]
if kind == "created":
    # As where portalocker is not installed: the lock is the file's existence.
    sys.modules["portalocker"] = None
from msal_extensions import CrossPlatLock, LockError

lock = CrossPlatLock(os.environ.get("LOCK", location + ".lockfile"))


def say(line):
    print(line, flush=True)


def hold():
    with lock:
        say("held")
        # On Windows the interpreter of a virtual environment is not the process that was started.
        say(f"pid {os.getpid()}")
        sys.stdin.readline()


def enter():
    say("trying")
    began = time.monotonic()
    sleep = time.sleep

    def refused(seconds):
        say("refused")
        sleep(seconds)

    # Both kinds sleep when the lock is not to be had.
    time.sleep = refused
    try:
        with lock:
            alone = not os.path.exists(location + ".inside")
            say("entered alone" if alone else "entered beside another")
    # On Windows portalocker does not take a file that cannot be opened for one that is locked.
    except (LockError, OSError):
        say("gave up")
    say(f"{time.monotonic() - began:.3f}")


def count():
    refused, longest, left = 0, 0, int(sys.argv[4])
    while left:
        began = time.monotonic()
        try:
            with lock:
                longest = max(longest, time.monotonic() - began)
                step()
            left -= 1
            # As long as a program is busy with other things.
            time.sleep(0.1)
        except LockError:
            refused += 1
    say(f"refused {refused}")
    say(f"longest {longest:.3f}")


def step():
    try:
        os.close(os.open(location + ".inside", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        with open(location + ".violations", "a") as violations:
            violations.write(f"{kind} found another inside\n")
    with open(location + ".count") as counter:
        value = int(counter.read() or 0)
    with open(location + ".count", "w") as counter:
        counter.write(str(value + 1))
    try:
        os.remove(location + ".inside")
    except FileNotFoundError:
        pass


globals()[action]()
