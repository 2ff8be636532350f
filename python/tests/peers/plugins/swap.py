"""Puts a persisted cache of tokenkeep in the place of every cache that msal's tests make."""

import os
import tempfile

import msal
import msal.application
import msal.managed_identity

from tokenkeep.msal_extensions import FilePersistence, PersistedTokenCache

_FOLDER = tempfile.TemporaryDirectory()
_NAMES = ("TokenCache", "SerializableTokenCache")


class Persisted(PersistedTokenCache):
    """A cache in a new file, made without arguments as those of msal are."""

    def __init__(self):
        handle, path = tempfile.mkstemp(".json", dir=_FOLDER.name)
        os.close(handle)
        os.remove(path)
        super().__init__(FilePersistence(path))


def _swap(module):
    for name in _NAMES:
        if hasattr(module, name):
            setattr(module, name, Persisted)


for _module in (msal, msal.application, msal.managed_identity):
    _swap(_module)


def pytest_collection_modifyitems(items):
    for module in {item.module for item in items}:
        _swap(module)
