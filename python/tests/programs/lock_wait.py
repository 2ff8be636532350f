"""Ctrl-C ends a wait for a lock, and other threads run meanwhile."""

import os
import signal
import sys
import threading
import time

from tokenkeep import _native

path = os.path.join(sys.argv[1], "a.lock")
rounds = int(sys.argv[2])
held = threading.Event()
release = threading.Event()


def hold():
    with _native.Lock(path):
        held.set()
        release.wait()


holder = threading.Thread(target=hold)
holder.start()
held.wait()
main = threading.main_thread().ident
spans = []
for _ in range(rounds):
    sent = []

    def interrupt():
        # The thread runs, so the other one waits without the interpreter's lock.
        while sys._current_frames()[main].f_code.co_name != "wait_for_it":
            pass
        for _ in range(1000):
            pass
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    def wait_for_it():
        _native.Lock(path, timeout=600).acquire()

    other = threading.Thread(target=interrupt)
    try:
        other.start()
        wait_for_it()
    except KeyboardInterrupt:
        spans.append(time.monotonic() - sent[0])
    else:
        raise AssertionError("the lock was acquired")
    other.join()

# A handler that raises nothing does not end the wait.
seen = []
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number) or release.set())


def nudge():
    while sys._current_frames()[main].f_code.co_name != "get_it":
        pass
    os.kill(os.getpid(), signal.SIGUSR1)


def get_it():
    return _native.Lock(path, timeout=600).acquire()


other = threading.Thread(target=nudge)
other.start()
get_it().release()
assert seen == [signal.SIGUSR1]
other.join()
holder.join()
spans.sort()
print(spans[len(spans) // 2])
