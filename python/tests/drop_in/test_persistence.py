"""Row by row, what programs use of the persistences of msal-extensions."""

import inspect
import json
import os
import pathlib
import re
import sys
import types

import peers
import pytest

from tokenkeep.errors import PersistenceError, PersistenceNotFound
from tokenkeep.msal_extensions import (
    CrossPlatLock,
    FilePersistence,
    FilePersistenceWithDataProtection,
    KeychainPersistence,
    LibsecretPersistence,
    build_encrypted_persistence,
)

TEXTS = ["", "arbitrary content", '[{"a": "list"}]', "zwei\r\nZeilen, 鍵", "x" * 100_000]


def persistences(location):
    yield FilePersistence(location + ".json")
    if sys.platform.startswith("linux"):
        yield LibsecretPersistence(location, "com.example.schema", {"a": "b"})
        yield build_encrypted_persistence(location + ".standard")


def test_without_encryption_the_constructor_raises(location):
    code = """
    import os, sys
    for build in (
        msal_extensions.build_encrypted_persistence,
        msal_extensions.LibsecretPersistence,
    ):
        try:
            build(sys.argv[1])
        except RuntimeError as error:
            assert isinstance(error, msal_extensions.persistence.PersistenceError), type(error)
            assert error.next_step
        else:
            sys.exit("it did not raise")
    """
    nowhere = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}
    peers.run("ours", code, location, env=nowhere)


def test_a_path_may_be_any_kind_of_path(needs_linux, location):
    for path in (location, pathlib.Path(location)):
        for build in (FilePersistence, LibsecretPersistence, build_encrypted_persistence):
            persistence = build(path)
            assert persistence.get_location() == location
    LibsecretPersistence(location).save("by text")
    assert LibsecretPersistence(pathlib.Path(location)).load() == "by text"


def test_a_plain_file_has_the_location_as_given(tmp_path, monkeypatch):
    with pytest.raises(ValueError):
        FilePersistence("")
    monkeypatch.setenv("HOME", str(tmp_path))
    home = FilePersistence("~/deep/er/cache.json")
    assert home.get_location() == str(tmp_path / "deep/er/cache.json")
    assert (tmp_path / "deep/er").is_dir()
    monkeypatch.chdir(tmp_path)
    relative = FilePersistence("relative/cache.json")
    assert relative.get_location() == "relative/cache.json"
    relative.save("content")
    assert (tmp_path / "relative/cache.json").read_text() == "content"
    relative.touch()
    fresh = FilePersistence("relative/fresh")
    fresh.touch()
    assert fresh.load() == ""
    assert os.stat("relative/fresh").st_mode & 0o777 == 0o600


def test_a_file_under_dpapi_is_a_file_persistence():
    assert issubclass(FilePersistenceWithDataProtection, FilePersistence)
    entropy = inspect.signature(FilePersistenceWithDataProtection).parameters["entropy"]
    assert entropy.default == "" and entropy.kind is entropy.POSITIONAL_OR_KEYWORD


@pytest.mark.parametrize("kind", [FilePersistenceWithDataProtection, KeychainPersistence])
def test_what_another_system_has_raises_at_construction(kind, location):
    if kind is KeychainPersistence and sys.platform == "darwin":
        pytest.skip("this is the system that has it")
    with pytest.raises(RuntimeError) as raised:
        kind(location)
    assert isinstance(raised.value, PersistenceError)


def test_a_keychain_persistence_tells_its_names(location, monkeypatch):
    seen = {}

    def store(*arguments, **names):
        seen.update(names, location=arguments[0])

    monkeypatch.setattr(sys, "platform", "darwin")
    module = sys.modules[KeychainPersistence.__module__]
    # There is no Keychain here to ask.
    native = types.SimpleNamespace(Store=types.SimpleNamespace(msal_extensions=store))
    monkeypatch.setattr(module, "_native", native)
    by_position = KeychainPersistence(location, "Microsoft Azure CLI", "account")
    assert (by_position._service_name, by_position._account_name) == (
        "Microsoft Azure CLI",
        "account",
    )
    assert (seen["service"], seen["account"]) == ("Microsoft Azure CLI", "account")
    standard = KeychainPersistence(location)
    assert standard._service_name == "msal-extensions"
    assert re.fullmatch("[0-9a-f]{64}", standard._account_name)


def test_the_item_of_libsecret_is_the_one_of_the_original(needs_linux, location):
    code = """
    import json, sys
    location, names = sys.argv[1], json.loads(sys.argv[2])
    persistence = msal_extensions.LibsecretPersistence(location, *names[0], **names[1])
    if sys.argv[3]:
        persistence.save(sys.argv[3])
    print(json.dumps(persistence.load()))
    """
    for names in (
        [[], {}],
        [["com.example.schema", {"MsalClientID": "x"}], {"label": "a label"}],
        [[], {"schema_name": "another", "attributes": {"a": "1", "b": "2"}, "collection": None}],
        [["with types", {"a": "1"}, "label", None, None], {}],
    ):
        words = json.dumps(names)
        # Positions after the attributes are new here.
        original = json.dumps([names[0][:2], names[1] or dict(label="label")])
        here = LibsecretPersistence(location, *names[0], **names[1])
        here.save("from here")
        assert peers.run("created", code, location, original, "") == "from here", words
        peers.run("created", code, location, original, "from the original")
        assert here.load() == "from the original", words


def test_any_text_is_kept_the_empty_one_too(needs_linux, location):
    for persistence in persistences(location):
        for text in TEXTS:
            persistence.save(text)
            assert persistence.load() == text


def test_neither_save_nor_load_takes_the_lock(needs_linux, location):
    for persistence in persistences(location):
        with CrossPlatLock(persistence.get_location() + ".lockfile"):
            persistence.save("in the lock")
            assert persistence.load() == "in the lock"


def test_the_time_is_that_of_the_file(needs_linux, location):
    for persistence in persistences(location):
        with pytest.raises(PersistenceNotFound) as raised:
            persistence.time_last_modified()
        assert raised.value.errno == 2 and raised.value.filename == persistence.get_location()
        persistence.save("x")
        os.utime(persistence.get_location(), (1000, 1000))
        assert persistence.time_last_modified() == 1000.0


def test_the_errors_have_what_programs_look_for(location):
    with pytest.raises(PersistenceNotFound) as raised:
        FilePersistence(location).load()
    error = raised.value
    assert isinstance(error, OSError) and error.errno == 2
    assert error.strerror and error.filename == location and error.next_step
    assert error.exit_status is None
    made = PersistenceError(-2146893813, "Key not valid", "there")
    assert (made.errno, made.strerror, made.filename) == (-2146893813, "Key not valid", "there")
    from tokenkeep.msal_extensions.osx import KeychainError

    assert issubclass(KeychainError, OSError)
    assert KeychainError(-25300).exit_status == KeychainError.ITEM_NOT_FOUND


def test_the_agent_of_libsecret_is_here(needs_linux):
    from tokenkeep.msal_extensions.libsecret import LibSecretAgent, trial_run

    trial_run()
    agent = LibSecretAgent("com.example.agent", {"a": "b"}, label="a label")
    assert agent.load() is None and agent.clear() is False
    assert agent.save("a secret") is True
    code = """
    import json
    from msal_extensions.libsecret import LibSecretAgent
    print(json.dumps(LibSecretAgent("com.example.agent", {"a": "b"}).load()))
    """
    assert peers.run("created", code) == "a secret"
    assert agent.clear() is True and agent.load() is None
