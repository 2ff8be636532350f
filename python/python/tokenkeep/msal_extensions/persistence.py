"""Places for text: plain files, files under DPAPI, the Keychain and the Secret Service.

Each reads and writes what the class of that name in msal-extensions does. Content is any text, the
empty one too. None of them takes a lock: the caller holds it, or
:class:`~tokenkeep.msal_extensions.PersistedTokenCache` does.
"""

from __future__ import annotations

import abc
import errno
import hashlib
import os
import pathlib
import sys
from typing import Any, Dict, Mapping, Optional, Union

from .. import _native
from ..errors import (
    PersistenceCorrupt,
    PersistenceDecryptionError,
    PersistenceEncryptionError,
    PersistenceError,
    PersistenceKeyGone,
    PersistenceLocked,
    PersistenceNotFound,
    PersistenceTimeout,
    PersistenceUnavailable,
    PersistenceUnsafe,
)

__all__ = [
    "BasePersistence",
    "FilePersistence",
    "FilePersistenceWithDataProtection",
    "KeychainPersistence",
    "LibsecretPersistence",
    "PersistenceCorrupt",
    "PersistenceDecryptionError",
    "PersistenceEncryptionError",
    "PersistenceError",
    "PersistenceKeyGone",
    "PersistenceLocked",
    "PersistenceNotFound",
    "PersistenceTimeout",
    "PersistenceUnavailable",
    "PersistenceUnsafe",
    "build_encrypted_persistence",
]

_Path = Union[str, "os.PathLike[str]"]

PROMPT_SECONDS = 60.0
"""How long a vault may ask the user where it may prompt."""


def make_folder(path: str) -> None:
    """Makes a folder and its parents. A new one is for this user alone."""
    # With a separator at its end the path is that of a folder alone.
    if path and not os.access(os.path.join(path, ""), os.F_OK):
        os.makedirs(path, mode=0o700, exist_ok=True)


def _not_found(location: str) -> PersistenceNotFound:
    return PersistenceNotFound(
        message="nothing is kept here yet; save something first", location=location
    )


def _digest(location: _Path) -> str:
    return hashlib.sha256(os.fspath(location).encode("utf-8")).hexdigest()


def prompt_seconds(interaction: Optional[bool] = None) -> Optional[float]:
    """How long a vault may ask the user; ``None`` if it may not."""
    if interaction is None:
        # Without a display nobody would see the prompt.
        interaction = bool(
            sys.platform.startswith("linux")
            and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        )
    return PROMPT_SECONDS if interaction else None


class BasePersistence(abc.ABC):
    """What a cache needs of a place. Programs may derive their own."""

    is_encrypted = False

    @abc.abstractmethod
    def save(self, content: str) -> None:
        """Replaces what is kept with ``content``."""
        raise NotImplementedError

    @abc.abstractmethod
    def load(self) -> str:
        """What is kept.

        Raises:
            PersistenceNotFound: If nothing is.
        """
        raise NotImplementedError

    @abc.abstractmethod
    def time_last_modified(self) -> float:
        """When it was saved last, in seconds since 1970.

        Raises:
            PersistenceNotFound: If nothing is kept.
        """
        raise NotImplementedError

    @abc.abstractmethod
    def get_location(self) -> str:
        """The path of the file that changes with the content."""
        raise NotImplementedError


class StorePersistence(BasePersistence):
    """A persistence over a store of this package."""

    _store: _native.Store
    _location: str

    def save(self, content: str) -> None:
        """Replaces what is kept with ``content``, as a whole and durably.

        Raises:
            PersistenceError: If it was not written; what was there is intact then.
        """
        self._store.save(content.encode("utf-8"))

    def load(self) -> str:
        """What is kept.

        Raises:
            PersistenceNotFound: If nothing is.
            PersistenceCorrupt: If it is no text in UTF-8.
            PersistenceError: If it cannot be read.
        """
        content = self._store.load()
        if content is None:
            raise _not_found(self._location)
        return as_text(content, self._location)

    def time_last_modified(self) -> float:
        """When the file at :meth:`get_location` was modified last, in seconds since 1970.

        Raises:
            PersistenceNotFound: If there is no such file.
        """
        try:
            return os.path.getmtime(self._location)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise _not_found(self._location) from None
            raise PersistenceError(error.errno, error.strerror, self._location) from error

    def get_location(self) -> str:
        """The path as it was given, with ``~`` replaced."""
        return self._location


_SAVE, _LOAD = StorePersistence.save, StorePersistence.load
_TIME = StorePersistence.time_last_modified
_STEPS = ("save", "load", "time_last_modified")


def store_of(persistence: Any) -> Optional[_native.Store]:
    """The store of a persistence whose methods nobody has replaced; else ``None``."""
    # Each search asks, so it must be quick.
    kind: Any = persistence.__class__
    try:
        if kind.load is _LOAD and kind.save is _SAVE and kind.time_last_modified is _TIME:
            own: Dict[str, Any] = persistence.__dict__
            return own.get("_store") if own.keys().isdisjoint(_STEPS) else None
    except AttributeError:
        # It has other methods, or none of its own.
        pass
    return None


def as_text(content: bytes, location: str) -> str:
    """The text that ``content`` is in UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"the content is no text in UTF-8, at byte {error.start}"
    # The exception would hold the content.
    raise PersistenceCorrupt(message=problem, location=location)


class FilePersistence(StorePersistence):
    """A file in plain text. Its folder is made at once, the file at the first save, mode 0600.

    Raises:
        ValueError: If ``location`` is empty.
    """

    def __init__(self, location: _Path) -> None:
        self._location = _expanded(location)
        make_folder(os.path.dirname(self._location))
        self._store = _native.Store.plaintext(self._location)

    def touch(self) -> None:
        """Sets the file's time to now. Makes an empty file if there is none."""
        pathlib.Path(self._location).touch(mode=0o600)


def _expanded(location: _Path) -> str:
    if not location:
        raise ValueError("Requires a file path")
    return os.path.expanduser(os.fspath(location))


class FilePersistenceWithDataProtection(FilePersistence):
    """A file under DPAPI, for this user of this Windows.

    Raises:
        PersistenceUnavailable: On other systems.
    """

    is_encrypted = True

    def __init__(self, location: _Path, entropy: Union[str, bytes] = "") -> None:
        self._location = _expanded(location)
        if sys.platform != "win32":
            raise PersistenceUnavailable(
                message="only Windows has DPAPI; use build_encrypted_persistence",
                location=self._location,
            )
        make_folder(os.path.dirname(self._location))
        entropy = entropy.encode("utf-8") if isinstance(entropy, str) else entropy
        self._store = _native.Store.msal_extensions(self._location, entropy=entropy or None)


class KeychainPersistence(StorePersistence):
    """An item of the Keychain, and a file at ``signal_location`` that changes with it.

    The service is ``msal-extensions`` unless given, and the account is the SHA-256 of
    ``signal_location`` as written. Nothing is prompted for unless ``interaction`` is true.

    Raises:
        PersistenceUnavailable: On other systems.
    """

    is_encrypted = True

    def __init__(
        self,
        signal_location: _Path,
        service_name: Optional[str] = None,
        account_name: Optional[str] = None,
        *,
        interaction: Optional[bool] = None,
    ) -> None:
        self._location = _expanded(signal_location)
        self._service_name = service_name or "msal-extensions"
        self._account_name = account_name or _digest(signal_location)
        if sys.platform != "darwin":
            raise PersistenceUnavailable(
                message="only macOS has a Keychain; use build_encrypted_persistence",
                location=self._location,
            )
        make_folder(os.path.dirname(self._location))
        self._store = _native.Store.msal_extensions(
            self._location,
            service=self._service_name,
            account=self._account_name,
            prompt=prompt_seconds(interaction),
        )


class LibsecretPersistence(StorePersistence):
    """An item of the Secret Service, and a file at ``signal_location`` that changes with it.

    The schema is the SHA-256 of ``signal_location`` as written unless given. All attributes are
    text, so ``attribute_types`` is not looked at. ``collection`` is where a new item is made. A
    locked vault may ask the user, for a minute, where there is a display or ``interaction`` is
    true.

    The constructor looks for the item and writes nothing. A locked vault is no error here, but one
    of :meth:`load` and :meth:`save`: programs take an exception from the constructor for a system
    without encryption.

    Raises:
        PersistenceUnavailable: If there is no session bus, service or collection.
    """

    is_encrypted = True

    def __init__(
        self,
        signal_location: _Path,
        schema_name: Optional[str] = None,
        attributes: Optional[Mapping[str, str]] = None,
        label: str = "",
        attribute_types: Optional[Dict[str, Any]] = None,
        collection: Optional[str] = None,
        *,
        interaction: Optional[bool] = None,
    ) -> None:
        del attribute_types
        self._location = _expanded(signal_location)
        self._store = _native.Store.msal_extensions(
            self._location,
            schema=schema_name or _digest(signal_location),
            attributes=list((attributes or {}).items()),
            label=label,
            collection=collection,
            prompt=prompt_seconds(interaction),
        )
        try:
            self._store.reach()
        except PersistenceLocked:
            pass
        make_folder(os.path.dirname(self._location))


class SealedPersistence(StorePersistence):
    """The sealed cache of a native store, for :meth:`tokenkeep.Cache.for_msal`."""

    is_encrypted = True

    def __init__(self, store: _native.Store) -> None:
        self._store = store
        self._location = os.fspath(store.location)


def build_encrypted_persistence(location: _Path) -> StorePersistence:
    """The encrypted place of this system at ``location``.

    Raises:
        PersistenceUnavailable: If this system cannot encrypt. It is a :class:`RuntimeError`, too.
    """
    if sys.platform == "win32":
        return FilePersistenceWithDataProtection(location)
    if sys.platform == "darwin":
        return KeychainPersistence(location)
    if sys.platform.startswith("linux"):
        return LibsecretPersistence(location)
    raise PersistenceUnavailable(
        message=f"there is no encrypted place on {sys.platform}", location=os.fspath(location)
    )
