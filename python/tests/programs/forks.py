"""A forked child holds nothing of its parent, and a spawned one shares the store."""

import multiprocessing
import os
import sys

import tokenkeep
from tokenkeep import _native

AUTHORITY = "https://login.example.com/tenant"


def opened(folder):
    source = tokenkeep.KeySource.key_file(os.path.join(folder, "key", "a.key"))
    return tokenkeep.open("forks", folder=os.path.join(folder, "cache"), key_sources=[source])


def answer(token):
    return '{"access_token": "%s", "expires_in": 3600}' % token


def spawned(folder):
    cache = opened(folder)
    assert cache.find_access_token("parent", AUTHORITY, ["read"]).secret == "one"
    cache.add_response("spawned", AUTHORITY, ["read"], answer("three"))


def child(work):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:
            print(repr(error), file=sys.stderr)
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status


def main():
    folder = sys.argv[1]
    path = os.path.join(folder, "a.lock")
    lock = _native.Lock(path, timeout=60)
    with lock as guard:

        def not_its_own():
            assert not guard.is_intact()
            try:
                _native.Lock(path).acquire(0)
            except tokenkeep.LockError:
                pass
            else:
                raise AssertionError("the child acquired it")
            guard.release()
            lock.__exit__(None, None, None)

        child(not_its_own)
        assert guard.is_intact()
        assert os.path.exists(path)

    cache = opened(folder)
    cache.add_response("parent", AUTHORITY, ["read"], answer("one"))
    store = _native.Store.plaintext(os.path.join(folder, "plain"))
    with store.begin() as transaction:

        def in_vain():
            try:
                transaction.commit(b"child")
            except tokenkeep.LockError:
                return
            raise AssertionError("the child saved in its parent's transaction")

        child(in_vain)
        transaction.commit(b"parent")
    assert store.load() == b"parent"

    def changes():
        # The object is of use in the child, too.
        cache.add_response("child", AUTHORITY, ["read"], answer("two"))
        assert cache.find_access_token("parent", AUTHORITY, ["read"]).secret == "one"
        assert store.begin(timeout=60).content == b"parent"

    child(changes)
    assert cache.find_access_token("child", AUTHORITY, ["read"]).secret == "two"

    # In the child the change of the parent is not the child's.
    def nested(tokens):
        child(lambda: cache.find_access_token("parent", AUTHORITY, ["read"]))
        return len(tokens.accounts())

    assert cache.transaction(nested) == 0

    other = multiprocessing.get_context("spawn").Process(target=spawned, args=(folder,))
    other.start()
    other.join()
    assert other.exitcode == 0
    assert cache.find_access_token("spawned", AUTHORITY, ["read"]).secret == "three"
    print("done")


if __name__ == "__main__":
    main()
