"""How a cache reads and writes its persistence: by a store of this package, or by its methods."""

from __future__ import annotations

import errno
import os
from typing import Any, Optional, Union

from .. import _native
from ..errors import LockError
from .persistence import SealedPersistence, store_of

Content = Union[bytes, str]


def lock_of(persistence: Any) -> str:
    """The file that is the lock of ``persistence`` unless a program names another."""
    store = store_of(persistence)
    if isinstance(persistence, SealedPersistence) and store is not None:
        return os.fspath(store.lock_location)
    return os.fspath(persistence.get_location()) + ".lockfile"


def source_of(persistence: Any) -> Union[_native.Store, Methods]:
    """The store of ``persistence``, or its methods where a program has its own."""
    store = store_of(persistence)
    return Methods(persistence) if store is None else store


class Methods:
    """A persistence of which nothing is known but its methods, with the steps of a store."""

    __slots__ = ("_persistence",)

    def __init__(self, persistence: Any) -> None:
        self._persistence = persistence

    def stamp(self) -> Optional[float]:
        try:
            modified: float = self._persistence.time_last_modified()
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return None
        return modified

    def load(self) -> Optional[str]:
        try:
            content: str = self._persistence.load()
        except OSError as error:
            # PersistenceNotFound, that of msal-extensions too.
            if error.errno != errno.ENOENT:
                raise
            return None
        return content

    def begin(self, *, lock: Optional[_native.Lock], timeout: float) -> Change:
        lock = lock or _native.Lock(lock_of(self._persistence))
        return Change(self, self._persistence, lock, timeout)


class Change:
    """A lock that is held, and what the persistence had then."""

    def __init__(
        self, source: Methods, persistence: Any, lock: _native.Lock, timeout: float
    ) -> None:
        self._source = source
        self._persistence = persistence
        self._guard = lock.acquire(timeout)
        try:
            self.stamp = source.stamp()
            self.content = source.load()
        except BaseException:
            self.release()
            raise

    def is_intact(self) -> bool:
        return self._guard.is_intact()

    def commit(self, content: bytes) -> Optional[float]:
        if not self.is_intact():
            error = LockError("the lock was taken away during the transaction; nothing was written")
            error.kind = "LockLost"
            error.next_step = "repeat the transaction"
            raise error
        self._persistence.save(content.decode("utf-8"))
        return self._source.stamp()

    def delete(self) -> None:
        self.commit(b"{}")

    def release(self) -> None:
        self._guard.release()
