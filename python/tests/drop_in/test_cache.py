"""What a cache promises beyond the interface of msal-extensions."""

import gc
import json
import os
import stat
import sys
import textwrap
import threading
import time

import msal
import peers
import pytest
from peers import another, refresh_token
from places import InMemory

import tokenkeep
from tokenkeep.errors import NestedError, PersistenceError, PersistenceNotFound
from tokenkeep.msal_extensions import (
    CrossPlatLock,
    FilePersistence,
    LibsecretPersistence,
    LockError,
    PersistedTokenCache,
    token_cache,
)


def test_a_sign_in_is_one_save(location):
    persistence = InMemory(location)
    cache = PersistedTokenCache(persistence)
    cache.add(peers.sign_in("a"))
    assert persistence.saves == 1
    assert cache.has_state_changed
    assert set(json.loads(persistence.content)) == {
        "AccessToken",
        "Account",
        "IdToken",
        "RefreshToken",
        "AppMetadata",
    }
    cache.remove_at({"credential_type": "AccessToken", "client_id": "nobody"})
    assert persistence.saves == 1, "nothing was changed"


def test_a_transaction_is_one_save_or_none(location):
    persistence = InMemory(location)
    cache = PersistedTokenCache(persistence)
    with cache.transaction() as same:
        assert same is cache
        for client in "abc":
            cache.add(peers.sign_in(client))
        assert persistence.saves == 0
        assert peers.clients(cache) == ["a", "b", "c"]
    assert persistence.saves == 1
    with pytest.raises(ZeroDivisionError), cache.transaction():
        cache.add(peers.sign_in("d"))
        cache.remove_rt(refresh_token(cache, "a"))
        1 / 0
    assert persistence.saves == 1
    assert peers.clients(cache) == peers.clients(cache, "RefreshToken") == ["a", "b", "c"]


def test_a_walk_goes_on_over_what_it_began_with(cache):
    for client in "abc":
        cache.add(peers.sign_in(client))
    walk = cache.search("AccessToken")
    first = next(walk)["client_id"]
    code = """
    import peers, sys
    cache = msal_extensions.PersistedTokenCache(msal_extensions.FilePersistence(sys.argv[1]))
    for client in "defgh":
        cache.add(peers.sign_in(client))
    for token in list(cache.search("AccessToken", query={"client_id": "b"})):
        cache.remove_at(token)
    """
    path = os.path.dirname(peers.__file__)
    code = f"sys.path.append({path!r})\n" + textwrap.dedent(code)
    peers.run("created", code, cache._persistence.get_location())
    assert peers.clients(cache) == list("acdefgh")
    cache.add(peers.sign_in("i"))
    assert [first, *(entry["client_id"] for entry in walk)] == list("abc")


def test_expired_tokens_go_after_a_walk_if_nobody_waits(cache):
    cache.add(peers.sign_in("old"), now=1000)
    cache.add(peers.sign_in("new"))
    foreign = json.loads(cache._persistence.load())
    token = dict(next(iter(foreign["AccessToken"].values())), client_id="elsewhere")
    foreign["AccessToken"]["another key"] = token
    cache._persistence.save(json.dumps(foreign))
    with CrossPlatLock(cache._lock_location):
        begun = time.monotonic()
        assert peers.clients(cache) == ["new"]
        assert time.monotonic() - begun < 1
    assert len(json.loads(cache._persistence.load())["AccessToken"]) == 3
    assert peers.clients(cache) == ["new"]
    assert len(json.loads(cache._persistence.load())["AccessToken"]) == 1


def test_a_renewal_does_not_bring_a_signed_out_token_back(cache):
    cache.add(peers.sign_in("a"))
    old = refresh_token(cache, "a")
    another(cache).remove_rt(old)
    cache.update_rt(old, "renewed")
    assert list(cache.search("RefreshToken")) == []


def test_the_metadata_of_an_application_are_what_others_saved(cache):
    assert cache._get_app_metadata("login.example.com", "a") is None
    another(cache).add(peers.sign_in("a"))
    assert cache._get_app_metadata("login.example.com", "a")["client_id"] == "a"


def test_after_a_failed_save_the_tokens_are_in_memory(location):
    class Full(InMemory):
        is_full = False

        def save(self, content):
            if self.is_full:
                raise OSError(28, "No space left on device")
            super().save(content)

    persistence = Full(location)
    cache = PersistedTokenCache(persistence)
    cache.add(peers.sign_in("a"))
    persistence.is_full = True
    with pytest.raises(OSError):
        cache.add(peers.sign_in("b"))
    assert peers.clients(cache) == ["a", "b"]
    persistence.is_full = False
    cache.add(peers.sign_in("c"))
    assert peers.clients(PersistedTokenCache(persistence)) == ["a", "b", "c"]


def test_a_lock_that_was_taken_away_lets_nothing_be_overwritten(cache):
    cache.add(peers.sign_in("a"))
    taken = []

    def take(self):
        # What a program does that takes this process for dead.
        if not taken:
            os.remove(cache._lock_location)
            taken.append(another(cache))
            taken[0].add(peers.sign_in("other"))
        return dumped(self)

    dumped = PersistedTokenCache._dumped
    try:
        PersistedTokenCache._dumped = lambda self: take(self) if self is cache else dumped(self)
        cache.add(peers.sign_in("b"))
        assert peers.clients(another(cache)) == ["a", "b", "other"]
        taken.clear()
        with pytest.raises(LockError) as raised, cache.transaction():
            cache.add(peers.sign_in("c"))
        assert raised.value.next_step
    finally:
        PersistedTokenCache._dumped = dumped
    assert peers.clients(cache) == peers.clients(another(cache)) == ["a", "b", "other"]


@pytest.mark.parametrize("content", ["[]", "null", '{"Account": ', "\udcff"])
def test_what_is_no_cache_is_an_error_and_is_left(cache, content):
    cache.add(peers.sign_in("a"))
    content = content.encode("utf-8", "surrogateescape")
    with open(cache._persistence.get_location(), "wb") as file:
        file.write(content)
    for use in (lambda: list(cache.search("Account")), lambda: cache.add(peers.sign_in("b"))):
        with pytest.raises(json.JSONDecodeError) as raised:
            use()
        assert isinstance(raised.value, PersistenceError) and raised.value.filename
    with open(cache._persistence.get_location(), "rb") as file:
        assert file.read() == content


def test_an_empty_file_is_an_empty_cache_once_nobody_writes_it(cache):
    cache.add(peers.sign_in("a"))
    other = another(cache)
    assert peers.clients(other) == ["a"]
    content = cache._persistence.load()
    with CrossPlatLock(cache._lock_location):
        # The original empties the file before it writes it.
        os.truncate(cache._persistence.get_location(), 0)
        reading = threading.Thread(target=lambda: seen.extend(peers.clients(other)))
        seen = []
        reading.start()
        reading.join(0.3)
        assert reading.is_alive()
        with open(cache._persistence.get_location(), "w") as file:
            file.write(content)
    reading.join()
    assert seen == ["a"]
    cache._persistence.save("")
    assert peers.clients(other) == []


def test_a_file_that_is_emptied_beside_the_lock_is_not_taken_for_empty(cache, monkeypatch):
    cache.add(peers.sign_in("a"))
    content = cache._persistence.load()
    os.truncate(cache._persistence.get_location(), 0)

    def write_it(_seconds):
        # What two originals do where one entered the lock beside the other.
        with open(cache._persistence.get_location(), "w") as file:
            file.write(content)

    monkeypatch.setattr(token_cache.time, "sleep", write_it)
    cache.add(peers.sign_in("b"))
    monkeypatch.undo()
    assert peers.clients(another(cache)) == ["a", "b"]


def test_a_cache_that_was_removed_is_empty(cache):
    cache.add(peers.sign_in("a"))
    os.remove(cache._persistence.get_location())
    assert peers.clients(cache) == []
    cache.add(peers.sign_in("b"))
    assert peers.clients(another(cache)) == ["b"]


def test_a_sealed_cache_is_one_for_msal_too(tmp_path):
    sealed = tokenkeep.open("com.example.sealed", folder=tmp_path / "sealed")
    cache = sealed.for_msal()
    assert isinstance(cache, PersistedTokenCache) and cache.is_encrypted
    assert not (tmp_path / "sealed").exists(), "nothing is made before the first save"
    cache.add(peers.sign_in("a"))
    assert [account.username for account in sealed.accounts()] == ["ada"]
    other = tokenkeep.open("com.example.sealed", folder=tmp_path / "sealed").for_msal()
    with other.transaction():
        other.add(peers.sign_in("b"))
    assert peers.clients(cache) == ["a", "b"]
    at_rest = [path.read_bytes() for path in tmp_path.glob("sealed/*") if path.is_file()]
    assert at_rest and not any(b"AccessToken" in content for content in at_rest)
    cache.clear()
    assert peers.clients(other) == [] and sealed.accounts() == []
    other.add(peers.sign_in("c"))
    assert peers.clients(cache) == ["c"]
    assert type(tokenkeep.in_memory().for_msal()) is msal.SerializableTokenCache


@pytest.mark.parametrize("is_corrupt", [False, True])
def test_a_cache_can_be_removed(needs_linux, location, is_corrupt):
    for persistence in (FilePersistence(location + ".json"), LibsecretPersistence(location)):
        cache = PersistedTokenCache(persistence)
        cache.add(peers.sign_in("a"))
        if is_corrupt:
            persistence.save("{")
        cache.clear()
        assert peers.clients(cache) == []
        assert os.listdir(os.path.dirname(location)) == []
        with pytest.raises(PersistenceNotFound):
            persistence.load()
        with cache.transaction(), pytest.raises(NestedError):
            cache.clear()
        cache.add(peers.sign_in("b"))
        assert peers.clients(cache) == ["b"]
        cache.clear()
    own = InMemory(location)
    cache = PersistedTokenCache(own)
    cache.add(peers.sign_in("a"))
    cache.clear()
    assert own.content == "{}" and peers.clients(cache) == []


def test_memory_wins_as_long_as_nobody_else_saves(cache):
    cache.add(peers.sign_in("a"))
    cache.deserialize("{}")
    assert peers.clients(cache) == []
    cache.add(peers.sign_in("b"))
    assert peers.clients(another(cache)) == ["b"]


def test_a_cache_is_collected_and_leaves_nothing_open(cache):
    cache.add(peers.sign_in("a"))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        assert peers.clients(another(cache)) == ["a"]
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_new_files_and_folders_are_for_the_user_alone(cache, location):
    cache.add(peers.sign_in("a"))
    assert stat.S_IMODE(os.stat(location).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(location)).st_mode) == 0o700


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the Secret Service is Linux's")
def test_an_item_whose_file_was_removed_is_found_and_not_overwritten(location):
    cache = PersistedTokenCache(LibsecretPersistence(location))
    cache.add(peers.sign_in("a"))
    os.remove(location)
    assert peers.clients(PersistedTokenCache(LibsecretPersistence(location))) == ["a"]
    os.remove(location) if os.path.exists(location) else None
    other = PersistedTokenCache(LibsecretPersistence(location))
    other.add(peers.sign_in("b"))
    assert peers.clients(cache) == ["a", "b"]
