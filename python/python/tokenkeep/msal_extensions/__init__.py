"""The interface of msal-extensions 1.3.1, over the stores and locks of tokenkeep.

Caches that msal-extensions wrote are read where they are, and programs with msal-extensions go on
to read what is written here: the same file or vault item, the same lock. A program changes one
line::

    import tokenkeep.msal_extensions as msal_extensions

For libraries that import ``msal_extensions`` themselves, such as azure-identity, call
:func:`install` before they do. ``python -m tokenkeep.run`` does that for a program that cannot be
changed.

msal must be installed. It is imported when :class:`PersistedTokenCache` is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

from ._install import install

if TYPE_CHECKING:
    from .cache_lock import CrossPlatLock, LockError
    from .persistence import (
        BasePersistence,
        FilePersistence,
        FilePersistenceWithDataProtection,
        KeychainPersistence,
        LibsecretPersistence,
        build_encrypted_persistence,
    )
    from .token_cache import PersistedTokenCache

__all__ = [
    "BasePersistence",
    "CrossPlatLock",
    "FilePersistence",
    "FilePersistenceWithDataProtection",
    "KeychainPersistence",
    "LibsecretPersistence",
    "LockError",
    "PersistedTokenCache",
    "build_encrypted_persistence",
    "install",
]

__version__ = "1.3.1"
"""The version of msal-extensions whose interface this is."""

_MODULES = {
    "BasePersistence": "persistence",
    "CrossPlatLock": "cache_lock",
    "FilePersistence": "persistence",
    "FilePersistenceWithDataProtection": "persistence",
    "KeychainPersistence": "persistence",
    "LibsecretPersistence": "persistence",
    "LockError": "cache_lock",
    "PersistedTokenCache": "token_cache",
    "build_encrypted_persistence": "persistence",
}
# `import msal_extensions` imports these there, so programs use them as attributes.
_SUBMODULES = (
    "cache_lock",
    "filelock",
    "libsecret",
    "osx",
    "persistence",
    "token_cache",
    "windows",
)


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module("." + name, __name__)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module("." + _MODULES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})
