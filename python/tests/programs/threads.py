"""Threads and tasks of one process lose nothing, and nobody waits for itself."""

import asyncio
import os
import sys
import threading

import tokenkeep
from tokenkeep import _native

folder, rounds = sys.argv[1], int(sys.argv[2])
authority = "https://login.example.com/tenant"
source = tokenkeep.KeySource.key_file(os.path.join(folder, "key", "a.key"))
cache = tokenkeep.open("threads", folder=os.path.join(folder, "cache"), key_sources=[source])
failures = []


def answer(token):
    return '{"access_token": "%s", "expires_in": 3600}' % token


def signs_in(number):
    try:
        for turn in range(rounds):
            client = f"client-{number}-{turn}"
            token = cache.add_response(client, authority, ["read"], answer(client))
            assert token.is_stored, token.unstored_because
            cache.transaction(lambda tokens: tokens.remove_expired())
    except BaseException as error:
        failures.append(error)


threads = [threading.Thread(target=signs_in, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures
for number in range(8):
    for turn in range(rounds):
        client = f"client-{number}-{turn}"
        assert cache.find_access_token(client, authority, ["read"]).secret == client

# A counter that is read and written in a transaction of the store loses no step.
store = _native.Store.plaintext(os.path.join(folder, "counter"))


def counts():
    try:
        for _ in range(rounds):
            with store.begin() as transaction:
                transaction.commit(b"%d" % (int(transaction.content or b"0") + 1))
    except BaseException as error:
        failures.append(error)


threads = [threading.Thread(target=counts) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures
assert store.load() == b"%d" % (4 * rounds), store.load()

# Inside its own change, a cache is refused at once.
for use in (
    lambda: cache.transaction(lambda tokens: None),
    lambda: cache.clear(),
    lambda: cache.acquire_token_silent("x", authority, ["read"], print),
):
    try:
        cache.transaction(lambda tokens: use())
    except tokenkeep.NestedError:
        pass
    else:
        raise AssertionError("it was not refused")
left = []
cache.transaction(left.append)
try:
    left[0].accounts()
except tokenkeep.NestedError:
    pass
else:
    raise AssertionError("the cache of a transaction outlived it")


async def transactions():
    """Another task of the thread is refused at once. It neither joins nor waits for itself."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def first():
        with store.begin() as transaction:
            begun.set()
            await ended.wait()
            transaction.commit(transaction.content)

    task = asyncio.ensure_future(first())
    await begun.wait()
    try:
        store.begin(timeout=600)
    except tokenkeep.LockError as error:
        assert error.kind == "AlreadyLocked", error.kind
    else:
        raise AssertionError("it was not refused")
    ended.set()
    await task


async def tasks():
    """A renewal in one task lets the other tasks run."""
    expired = '{"access_token": "old", "expires_in": 0, "refresh_token": "first"}'
    await cache.add_response_async("tasks", authority, ["read"], expired)
    asked = []
    answered = asyncio.Event()

    async def exchange(spend):
        asked.append(dict(spend.form)["refresh_token"])
        await answered.wait()
        return 200, '{"access_token": "new", "expires_in": 3600, "refresh_token": "second"}'

    async def silent():
        token = await cache.acquire_token_silent_async("tasks", authority, ["read"], exchange)
        return token.secret

    first, second = asyncio.ensure_future(silent()), asyncio.ensure_future(silent())
    while not asked:
        await asyncio.sleep(0)
    answered.set()
    assert await asyncio.gather(first, second) == ["new", "new"]
    assert asked == ["first"], asked
    found = await cache.find_access_token_async("tasks", authority, ["read"])
    assert found.secret == "new"
    assert await cache.transaction_async(lambda tokens: tokens.remove_expired()) >= 0
    assert await cache.call_async(cache.accounts) == cache.accounts()


asyncio.run(transactions())
asyncio.run(tasks())
print("done")
