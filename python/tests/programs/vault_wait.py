"""Ctrl-C ends a call to a vault that does not answer, and the wait for its prompt."""

import os
import signal
import sys
import threading
import time

from tokenkeep import _native

prompt = 600.0 if sys.argv[2] == "prompt" else None
store = _native.Store.msal_extensions(os.path.join(sys.argv[1], "cache"), prompt=prompt)
sent = []


def interrupt():
    # The test says when the vault has been called.
    sys.stdin.readline()
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)


threading.Thread(target=interrupt).start()
try:
    if prompt is None:
        store.load()
    else:
        store.prepare("write")
except KeyboardInterrupt:
    print(time.monotonic() - sent[0])
    # What is at the vault is no wait of the program any more.
    sys.stdout.flush()
    os._exit(0)
raise AssertionError("nothing interrupted it")
