"""Row by row, what programs use of the caches and the lock of msal-extensions."""

import importlib
import inspect
import json
import os
import pathlib
import time

import msal
import peers
import pytest
from places import InMemory
from provider import Provider

import tokenkeep.msal_extensions as ours
from tokenkeep.errors import PersistenceError, PersistenceNotFound
from tokenkeep.msal_extensions import (
    BasePersistence,
    CrossPlatLock,
    FilePersistence,
    FilePersistenceWithDataProtection,
    KeychainPersistence,
    LibsecretPersistence,
    LockError,
    PersistedTokenCache,
)

# What the original has, as its own interpreter sees it.
SURVEY = """
import importlib, inspect, json
names = {}
for module in ("", ".persistence", ".token_cache", ".filelock", ".cache_lock", ".libsecret"):
    module = importlib.import_module("msal_extensions" + module)
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        if not getattr(value, "__module__", "").startswith("msal_extensions"):
            continue
        key = module.__name__ + ":" + name
        is_error = inspect.isclass(value) and issubclass(value, Exception)
        names[key] = [] if is_error else list(inspect.signature(value).parameters)
        if inspect.isclass(value) and not is_error:
            for method, function in vars(value).items():
                if not method.startswith("_") and inspect.isfunction(function):
                    key = f"{module.__name__}:{name}.{method}"
                    names[key] = list(inspect.signature(function).parameters)
print(json.dumps(names))
"""


def test_every_name_of_the_original_is_here_with_its_parameters():
    survey = peers.run("portalocker", SURVEY)
    assert len(survey) > 30
    for key, parameters in survey.items():
        module, _, path = key.partition(":")
        value = importlib.import_module(module.replace("msal_extensions", ours.__name__, 1))
        for name in path.split("."):
            value = getattr(value, name)
        if not parameters:
            continue
        here = list(inspect.signature(value).parameters)
        if key.endswith(("CrossPlatLock", "LibsecretPersistence")):
            # The original takes more by **kwargs, or less.
            parameters = [name for name in parameters if name != "kwargs"]
        if key.endswith(".search"):
            assert here[1] == parameters[1] == "credential_type"
            continue
        assert here[: len(parameters)] == parameters, key


def test_a_class_can_be_patched(location, monkeypatch):
    cache = PersistedTokenCache(FilePersistence(location))
    cache.add(peers.sign_in("a"))
    other = PersistedTokenCache(FilePersistence(location))
    assert peers.clients(cache) == ["a"]
    monkeypatch.setattr(type(cache._persistence), "time_last_modified", lambda self: 7.0)
    assert peers.clients(cache) == ["a"]
    other.add(peers.sign_in("b"))
    # The patched time did not change.
    assert peers.clients(cache) == ["a"]
    cache.add(peers.sign_in("c"))
    assert peers.clients(cache) == ["a", "b", "c"]


def test_a_cache_tells_whether_it_is_encrypted(needs_linux, location):
    assert FilePersistence.is_encrypted is False
    for kind in (FilePersistenceWithDataProtection, KeychainPersistence, LibsecretPersistence):
        assert kind.is_encrypted is True
    assert PersistedTokenCache(FilePersistence(location)).is_encrypted is False
    assert PersistedTokenCache(LibsecretPersistence(location)).is_encrypted is True


def test_a_persistence_of_the_programs_own(location):
    with pytest.raises(TypeError):
        BasePersistence()
    persistence = InMemory(location)
    cache, other = PersistedTokenCache(persistence), PersistedTokenCache(persistence)
    cache.add(peers.sign_in("a"))
    assert persistence.saves == 1
    assert peers.clients(other) == ["a"]
    other.add(peers.sign_in("b"))
    assert peers.clients(cache) == ["a", "b"]


class Duck:
    """The methods alone, without the base class."""

    is_encrypted = True

    def __init__(self, location):
        self._inner = FilePersistence(location)

    def __getattr__(self, name):
        return getattr(self._inner, name)


def test_an_object_with_the_methods_is_enough(location):
    cache = PersistedTokenCache(Duck(location))
    cache.add(peers.sign_in("a"))
    assert peers.clients(PersistedTokenCache(FilePersistence(location))) == ["a"]
    assert cache.is_encrypted


class OwnLoad(FilePersistence):
    """A subclass with its own `load` and `save`."""

    def save(self, content):
        with open(self._location, "w") as file:
            file.write(content[::-1])

    def load(self):
        try:
            with open(self._location) as file:
                return file.read()[::-1]
        except FileNotFoundError:
            raise PersistenceNotFound() from None


class OwnSave(FilePersistence):
    saved = 0

    def save(self, content):
        OwnSave.saved += 1
        super().save(content)


def test_the_methods_of_a_subclass_are_called(location):
    cache = PersistedTokenCache(OwnLoad(location))
    cache.add(peers.sign_in("a"))
    assert pathlib.Path(location).read_text().startswith("}")
    assert peers.clients(PersistedTokenCache(OwnLoad(location))) == ["a"]
    counted = PersistedTokenCache(OwnSave(location + "2"))
    counted.add(peers.sign_in("a"))
    assert OwnSave.saved == 1
    replaced = FilePersistence(location + "3")
    replaced.load = lambda: json.dumps({"AccessToken": {}})
    replaced.time_last_modified = lambda: 1
    assert peers.clients(PersistedTokenCache(replaced)) == []


def test_the_lock_is_exactly_where_it_was_said(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    cache = PersistedTokenCache(FilePersistence(tmp_path / "cache"), "~/locks/mine")
    assert cache._lock_location == str(tmp_path / "locks/mine")
    assert (tmp_path / "locks").is_dir()
    with cache.transaction():
        assert (tmp_path / "locks/mine").exists()
        assert not (tmp_path / "cache.lockfile").exists()
    assert os.listdir(tmp_path / "locks") == []
    standard = PersistedTokenCache(FilePersistence(tmp_path / "cache"))
    assert standard._lock_location == str(tmp_path / "cache.lockfile")
    with standard.transaction():
        assert (tmp_path / "cache.lockfile").exists()


class ResetsWhenCorrupt(PersistedTokenCache):
    """What the command-line program of Azure tried."""

    resets = 0

    def _reload_if_necessary(self):
        try:
            super()._reload_if_necessary()
        except json.JSONDecodeError:
            self.resets += 1
            self.deserialize(None)
            self._last_sync = time.time()


def test_a_subclass_may_handle_what_is_corrupt(location):
    persistence = FilePersistence(location)
    persistence.save('{"secret": "s3cr3t"}trailing')
    with pytest.raises(json.JSONDecodeError) as raised:
        list(PersistedTokenCache(persistence).search("Account"))
    assert "s3cr3t" not in repr(raised.value) + str(raised.value.__context__)
    assert isinstance(raised.value, PersistenceError) and raised.value.doc == ""
    cache = ResetsWhenCorrupt(persistence)
    assert list(cache.search("Account")) == []
    assert list(cache.search("Account")) == []
    assert cache.resets == 1, "what was read last is known"
    cache.add(peers.sign_in("a"))
    assert peers.clients(PersistedTokenCache(persistence)) == ["a"]


class Managed(PersistedTokenCache):
    """A subclass that saves by itself, as programs do."""

    def modify(self, credential_type, old_entry, new_key_value_pairs=None):
        with CrossPlatLock(self._lock_location):
            self._reload_if_necessary()
            msal.SerializableTokenCache.modify(
                self, credential_type, old_entry, new_key_value_pairs=new_key_value_pairs
            )
            self._persistence.save(self.serialize())
            self._last_sync = time.time()


class Synchronized(PersistedTokenCache):
    """A subclass that uses the lock of the threads."""

    def search(self, *arguments, **keywords):
        with self._lock:
            return list(super().search(*arguments, **keywords))

    def modify(self, *arguments, **keywords):
        with self._lock:
            return super().modify(*arguments, **keywords)


@pytest.mark.parametrize("kind", [Managed, Synchronized])
def test_a_subclass_may_override_modify_and_search(kind, location):
    cache = kind(FilePersistence(location))
    cache.add(peers.sign_in("a"))
    plain = PersistedTokenCache(FilePersistence(location))
    plain.add(peers.sign_in("b"))
    assert peers.clients(cache) == ["a", "b"]
    for token in list(cache.search("AccessToken", query={"client_id": "a"})):
        cache.remove_at(token)
    assert peers.clients(plain) == peers.clients(cache) == ["b"]
    assert not os.path.exists(location + ".lockfile")


def test_an_attribute_of_a_cache_can_be_replaced(location):
    cache = PersistedTokenCache(FilePersistence(location))
    cache.add = lambda *_, **__: None
    cache.add(peers.sign_in("a"))
    assert not os.path.exists(location)


def test_an_empty_cache_is_used_and_not_replaced_by_one_in_memory(location):
    cache = PersistedTokenCache(FilePersistence(location))
    assert cache and not hasattr(cache, "__len__")
    application = msal.PublicClientApplication(
        "client", token_cache=cache, instance_discovery=False, http_client=Provider(None)
    )
    assert application.token_cache is cache
    application.token_cache.add(peers.sign_in("client"))
    assert os.path.exists(location)


def test_a_cache_gives_its_persistence(location):
    cache = PersistedTokenCache(FilePersistence(location))
    cache.add(peers.sign_in("a"))
    assert cache._persistence.get_location() == location
    assert "AccessToken" in json.loads(cache._persistence.load())
    cache._persistence.save("{}")
    assert peers.clients(cache) == []


def test_any_kind_can_be_searched_for(location):
    cache = PersistedTokenCache(FilePersistence(location))
    with pytest.warns(DeprecationWarning):
        assert cache.find("") == []
    cache.add(peers.sign_in("a"), now=1000)
    query = {"client_id": "a"}
    assert len(list(cache.search("AccessToken", target=["s1"], query=query, now=2000))) == 1
    assert list(cache.search("AccessToken", target=["s1"], query=query, now=9000)) == []
    with pytest.warns(DeprecationWarning):
        assert len(cache.find("RefreshToken", query=query)) == 1


def test_the_lock_of_the_original_is_kept_and_keeps_it_out(tmp_path):
    path = str(tmp_path / "exactly.this")
    hold = """
    import sys
    with msal_extensions.CrossPlatLock(sys.argv[1]):
        print("held", flush=True)
        sys.stdin.readline()
    """
    lock = CrossPlatLock(path)
    with lock as held:
        assert held is lock and os.path.exists(path)
        with pytest.raises(LockError):
            CrossPlatLock(path).__enter__()
    assert not os.path.exists(path)
    for kind in peers.KINDS:
        holder = peers.start(kind, hold, path)
        assert holder.stdout.readline() == "held\n"
        begun = time.monotonic()
        with pytest.raises(LockError) as raised:
            CrossPlatLock(path, timeout=0.3).__enter__()
        assert time.monotonic() - begun >= 0.3
        assert isinstance(raised.value, RuntimeError)
        assert str(holder.pid) in str(raised.value.holder)
        holder.communicate("\n")
        assert holder.returncode == 0
    assert inspect.signature(CrossPlatLock).parameters["timeout"].default == 5.0
