"""Threads, tasks, forks and Ctrl-C."""

import asyncio
import os
import signal
import sys
import threading
import time

import peers
import pytest
from peers import another, refresh_token
from places import InMemory, Slow

from tokenkeep.errors import NestedError
from tokenkeep.msal_extensions import (
    CrossPlatLock,
    LockError,
    PersistedTokenCache,
)


def test_add_and_update_in_two_threads_finish(location):
    # The original takes its two locks in two orders, and waits until one of them times out.
    persistence = Slow(location, 0.2)
    cache = PersistedTokenCache(persistence)
    cache.add(peers.sign_in("a"))
    failures = []

    def repeat(change):
        try:
            for number in range(4):
                change(number)
        except Exception as error:
            failures.append(error)

    threads = [
        threading.Thread(target=repeat, args=(change,))
        for change in (
            lambda number: cache.add(peers.sign_in(f"b{number}")),
            lambda number: cache.update_rt(refresh_token(cache, "a"), f"RT{number}"),
            lambda number: list(cache.search("AccessToken")),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert peers.clients(cache) == ["a", "b0", "b1", "b2", "b3"]
    assert refresh_token(cache, "a")["secret"] == "RT3"


def test_a_search_of_another_thread_sees_no_part_of_a_change(location):
    cache = PersistedTokenCache(Slow(location, 0))
    cache.add(peers.sign_in("a"))
    seen, changed, done = [], threading.Event(), threading.Event()

    def read():
        changed.wait()
        seen.extend(peers.clients(cache))
        done.set()

    reader = threading.Thread(target=read)
    reader.start()
    with cache.transaction():
        cache.add(peers.sign_in("b"))
        changed.set()
        done.wait()
    reader.join()
    assert seen == ["a"]
    assert peers.clients(cache) == ["a", "b"]


class Held(InMemory):
    """Its time never changes, and a thread that has read waits until it may go on."""

    def __init__(self, location):
        super().__init__(location)
        self.reader, self.has_read, self.may_go_on = None, threading.Event(), threading.Event()

    def time_last_modified(self):
        return 1.0

    def load(self):
        content = super().load()
        if threading.current_thread() is self.reader:
            self.has_read.set()
            self.may_go_on.wait()
        return content


def test_what_a_thread_read_before_a_change_does_not_come_after_it(location):
    persistence = Held(location)
    other, cache = PersistedTokenCache(persistence), PersistedTokenCache(persistence)
    other.add(peers.sign_in("a"))
    seen = []
    reader = threading.Thread(target=lambda: seen.extend(peers.clients(cache)))
    persistence.reader = reader
    reader.start()
    persistence.has_read.wait()
    cache.add(peers.sign_in("b"))
    persistence.may_go_on.set()
    reader.join()
    assert seen == ["a", "b"]
    assert peers.clients(cache) == ["a", "b"]


def test_another_task_of_the_thread_is_refused(cache):
    async def change(client, inside, outside):
        with cache.transaction():
            cache.add(peers.sign_in(client))
            inside.set()
            await outside.wait()

    async def main():
        inside, outside = asyncio.Event(), asyncio.Event()
        first = asyncio.ensure_future(change("a", inside, outside))
        await inside.wait()
        with pytest.raises(NestedError):
            cache.add(peers.sign_in("b"))
        assert peers.clients(cache) == []
        outside.set()
        await first

    asyncio.run(main())
    assert peers.clients(cache) == ["a"]


def test_a_child_goes_on_after_a_fork_in_a_transaction(cache):
    cache.add(peers.sign_in("a"))
    with cache.transaction():
        cache.add(peers.sign_in("b"))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                try:
                    CrossPlatLock(cache._lock_location, timeout=0.2).__enter__()
                except LockError:
                    with open(cache._persistence.get_location()) as file:
                        code = 0 if '"b"' not in file.read() else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    child = os.fork()
    if child == 0:
        code = 1
        try:
            cache.add(peers.sign_in("child"))
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert peers.clients(cache) == ["a", "b", "child"]


def test_a_child_does_not_wait_for_a_thread_of_its_parent(cache):
    cache.add(peers.sign_in("a"))
    inside, done = threading.Event(), threading.Event()

    def change():
        with cache.transaction(), cache._lock:
            inside.set()
            done.wait()

    thread = threading.Thread(target=change)
    thread.start()
    inside.wait()
    child = os.fork()
    if child == 0:
        # Ends a child that waits for what nobody will release.
        signal.alarm(20)
        os._exit(0 if peers.clients(cache) == ["a"] else 1)
    status = os.waitpid(child, 0)[1]
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0


WAITS = """
import sys, peers
cache = msal_extensions.PersistedTokenCache(msal_extensions.FilePersistence(sys.argv[1]))
print("waits", flush=True)
try:
    cache.add(peers.sign_in("late"))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_ends_a_wait_for_the_lock_at_once(cache):
    cache.add(peers.sign_in("a"))
    path = {"PYTHONPATH": os.pathsep.join([os.path.dirname(peers.__file__), *sys.path])}
    with CrossPlatLock(cache._lock_location):
        process = peers.start("ours", WAITS, cache._persistence.get_location(), env=path)
        assert process.stdout.readline() == "waits\n"
        wait_for_state(process.pid)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        took = time.monotonic() - begun
    process.communicate()
    print(f"measured: Ctrl-C ended a wait for a lock after {took * 1000:.0f} ms", file=sys.stderr)
    assert took < 0.5
    assert peers.clients(another(cache)) == ["a"]


def wait_for_state(pid):
    """Waits until the process sleeps in a wait and has nothing else to do."""
    idle = 0
    before = None
    while idle < 20:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        idle = idle + 1 if (fields[0], fields[11]) == ("S", before) else 0
        before = fields[11]
        time.sleep(0.01)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the Secret Service is Linux's")
def test_many_processes_construct_a_vault_persistence_at_once(location):
    code = """
    import sys
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(10):
        msal_extensions.LibsecretPersistence(sys.argv[1])
    """
    processes = [peers.start("ours", code, location) for _ in range(16)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 16
