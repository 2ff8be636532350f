"""A token cache for msal that is kept in a persistence and shared between processes."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import weakref
from contextlib import contextmanager
from typing import Any, Callable, Dict, Generator, Iterator, List, Optional, Tuple

import msal

from .. import _native
from ..errors import LockError, NestedError, PersistenceCorrupt, PersistenceNotFound
from ._renewal import check
from ._source import Content, lock_of, source_of
from ._view import View
from .cache_lock import CrossPlatLock, held
from .persistence import SealedPersistence, as_text, make_folder, store_of

__all__ = ["CrossPlatLock", "LockError", "PersistedTokenCache", "PersistenceNotFound"]

logger = logging.getLogger(__name__)

_Entry = Dict[str, Any]
_Caller = Tuple[int, Any]
# No mark that a source gives.
_UNKNOWN = object()
_REFRESH_TOKEN = msal.TokenCache.CredentialType.REFRESH_TOKEN
_USED_OF_MSAL = ("_cache", "_lock", "key_makers")
_ATTEMPTS = 3
# A search that finds a half-written file waits for its writer, but not as long as a change.
_LONGEST_LOOK = 5.0
_LOOKS, _BETWEEN_LOOKS = 10, 0.01

_caches: weakref.WeakSet[PersistedTokenCache] = weakref.WeakSet()


class PersistedTokenCache(msal.SerializableTokenCache):
    """A cache of msal over a persistence, for any number of processes and threads.

    Searches see what other processes saved. Each change is made on what is stored then, under a
    lock between processes, and is durable when the call returns. A sign-in is one such change.
    :meth:`transaction` makes one of several. ``serialize`` and ``deserialize`` concern the memory
    alone, as in msal.

    ``persistence`` may be any object with the methods of
    :class:`~tokenkeep.msal_extensions.BasePersistence`. The lock is the file ``lock_location``, by
    default that of the persistence with ``.lockfile`` after its name. ``lock_timeout`` is how many
    seconds a change waits for it.
    """

    def __init__(
        self,
        persistence: Any,
        lock_location: Optional[str] = None,
        *,
        lock_timeout: float = 60.0,
    ) -> None:
        super().__init__()
        missing = [name for name in _USED_OF_MSAL if not hasattr(self, name)]
        if missing:
            raise ImportError(
                f"this version of msal keeps its cache in another way ({', '.join(missing)} is not "
                "there); install msal<2"
            )
        self._persistence = persistence
        self._standard_lock = lock_of(persistence)
        self._lock_location = (
            os.path.expanduser(lock_location) if lock_location else self._standard_lock
        )
        if not isinstance(persistence, SealedPersistence):
            make_folder(os.path.dirname(self._lock_location))
        self.is_encrypted = persistence.is_encrypted
        self._lock_timeout = lock_timeout
        # What was last read or saved, how the source marks it, and the state that it is.
        self._text: Optional[Content] = None
        self._mark: Any = _UNKNOWN
        self._synced: Optional[Dict[str, Any]] = None
        self._looked: Tuple[Any, Optional[Content]] = (_UNKNOWN, None)
        self._synced_at: float = 0
        # The change that is being made: by whom, in what, and the state before it.
        self._owner: Optional[_Caller] = None
        self._change: Any = None
        self._is_read = False
        self._before: Optional[Dict[str, Any]] = None
        # How often the state became another one.
        self._turns = 0
        _caches.add(self)

    @property
    def _last_sync(self) -> float:
        """When this cache last agreed with the persistence. Nothing is compared with it.

        A subclass that sets it says that what was read last is known; 0 says that nothing is.
        """
        return self._synced_at

    @_last_sync.setter
    def _last_sync(self, value: float) -> None:
        self._synced_at = value
        self._mark, self._text = self._looked if value else (_UNKNOWN, None)

    def search(self, credential_type: str, *args: Any, **kwargs: Any) -> Iterator[_Entry]:
        """The entries that match, as in msal, of the cache as it is stored now.

        The walk sees one state, whatever changes meanwhile. Expired access tokens are removed after
        it where that needs no waiting.

        Raises:
            PersistenceError: If the cache cannot be read.
        """
        if credential_type == _REFRESH_TOKEN:
            check(self)
        self._look()
        with self._lock:
            # Without what another thread is changing.
            before = self._before
            state = self._cache if before is None or self._is_mine() else before
        view: Any = View(state, self.key_makers, self._forget)
        found: Iterator[_Entry] = view.search(credential_type, *args, **kwargs)
        return found

    def add(self, event: Dict[str, Any], **kwargs: Any) -> None:
        """Adds what a token response has: one change, durable when this returns.

        Raises:
            LockError: If others hold the lock for ``lock_timeout``.
            PersistenceError: If the cache cannot be read or saved. After a failed save the tokens
                are in memory.
        """
        self._apply(lambda: super(PersistedTokenCache, self).add(event, **kwargs))
        self.has_state_changed = True

    def modify(
        self,
        credential_type: str,
        old_entry: _Entry,
        new_key_value_pairs: Optional[Dict[str, Any]] = None,
    ) -> None:
        """Changes or removes an entry: one change, durable when this returns.

        Raises:
            LockError, PersistenceError: As :meth:`add`.
        """
        self._apply(lambda: self._modify(credential_type, old_entry, new_key_value_pairs))

    def update_rt(self, rt_item: _Entry, new_rt: str) -> None:
        """Stores a renewed refresh token, unless the old one was signed out meanwhile.

        Raises:
            LockError, PersistenceError: As :meth:`add`.
        """

        def update() -> None:
            if self._has(self.CredentialType.REFRESH_TOKEN, rt_item):
                super(PersistedTokenCache, self).update_rt(rt_item, new_rt)

        self._apply(update)

    @contextmanager
    def transaction(self) -> Generator[PersistedTokenCache, None, None]:
        """Makes one change of all that the body changes: one lock, one save.

        If the body raises, nothing is changed. The body must not wait, for instance for a network
        or an ``await``, because every other process waits for it.

        Raises:
            LockError: If others hold the lock for ``lock_timeout``, or took it away meanwhile. The
                transaction can be repeated.
            NestedError: If another task of this thread is in a transaction.
            PersistenceError: As :meth:`add`.
        """
        with self._changing(self._lock_timeout):
            yield self

    def clear(self) -> None:
        """Removes the cache: the file, the item of a vault, and what is in memory.

        Content that is no cache is removed, too. Where the persistence is the program's own, an
        empty cache is saved instead. A program with msal-extensions that runs keeps what it has in
        memory.

        Raises:
            NestedError: In a transaction of this cache.
            LockError, PersistenceError: As :meth:`add`.
        """
        if self._is_mine():
            raise NestedError("a cache cannot be removed inside a transaction of it")
        change = self._begin(self._lock_timeout)
        with held(self._lock_location, change):
            change.delete()
            with self._lock:
                self.deserialize(None)
                self._mark, self._text, self._synced = _UNKNOWN, None, self._cache
                self._turns += 1

    def _apply(self, change: Callable[[], None]) -> None:
        for _ in range(_ATTEMPTS - 1):
            try:
                with self._changing(self._lock_timeout):
                    change()
                return
            except LockError as error:
                # Only what begins a transaction can repeat it.
                if self._owner is not None or error.kind not in ("LockLost", "KeptChanging"):
                    raise
        with self._changing(self._lock_timeout):
            change()

    def _modify(self, kind: str, old_entry: _Entry, new: Optional[Dict[str, Any]]) -> None:
        with self._lock:
            before, was_changed = self._cache, self.has_state_changed
            section = before.get(kind) or {}
            # Searches walk the section as it was.
            self._cache = {**before, kind: dict(section)}
            try:
                super().modify(kind, old_entry, new)
            except BaseException:
                self._cache = before
                raise
            key = self.key_makers[kind](**old_entry)
            if kind in before and section.get(key) == self._cache[kind].get(key):
                self._cache, self.has_state_changed = before, was_changed

    def _has(self, kind: str, entry: _Entry) -> bool:
        make_key = self.key_makers[kind]
        key = make_key(**entry)
        section = self._cache.get(kind) or {}
        # Other programs may keep it under another key.
        return key in section or any(make_key(**other) == key for other in section.values())

    def _get(self, credential_type: str, key: str, default: Any = None) -> Any:
        self._look()
        return super()._get(credential_type, key, default)

    def _forget(self, expired: List[_Entry]) -> None:
        """Removes expired access tokens, if nobody has to wait for it."""
        kind = self.CredentialType.ACCESS_TOKEN
        try:
            with self._changing(0):
                make_key = self.key_makers[kind]
                old = {make_key(**entry): entry for entry in expired}
                section = self._cache.get(kind) or {}
                # Other programs may keep it under another key.
                kept = {
                    key: entry
                    for key, entry in section.items()
                    if old.get(make_key(**entry)) != entry
                }
                if len(kept) < len(section):
                    with self._lock:
                        self._cache = {**self._cache, kind: kept}
        except Exception as error:
            logger.debug("Expired tokens stay in the cache: %s", type(error).__name__)

    def _look(self) -> None:
        """Sees what others saved."""
        try:
            self._reload_if_necessary()
        except Exception as error:
            # What others are writing in place cannot be parsed. What a persistence of the program's
            # own raises then is not known.
            is_own = store_of(self._persistence) is None
            if self._is_mine() or not (is_own or isinstance(error, ValueError)):
                raise
            # Under the lock it is whole.
            with self._holding(min(self._lock_timeout, _LONGEST_LOOK)):
                pass

    def _reload_if_necessary(self) -> None:
        """Reads the persistence if it was changed since it was read last."""
        if self._owner is None:
            source = source_of(self._persistence)
            is_taken = False
            while not is_taken:
                turns = self._turns
                mark = source.stamp()
                if mark == self._mark and self._mark is not _UNKNOWN:
                    return
                content = source.load()
                self._looked = (mark, content)
                if content is not None and _is_blank(content):
                    raise _Empty("the cache is empty or is being written")
                is_taken = self._take(mark, content, turns)
        elif self._is_mine() and not self._is_read:
            mark, content = self._change.stamp, self._change.content
            if content is not None and _is_blank(content) and not _is_blank(self._text):
                content = self._written_out(content)
            self._looked = (mark, content)
            self._take(mark, content, self._turns)

    def _written_out(self, content: Optional[Content]) -> Optional[Content]:
        """What a file becomes that is empty although the lock is held.

        A program that entered the lock beside this one empties the file before it writes it.
        """
        for _ in range(_LOOKS):
            time.sleep(_BETWEEN_LOOKS)
            content = source_of(self._persistence).load()
            if not _is_blank(content):
                break
        return content

    def _take(self, mark: Any, content: Optional[Content], turns: int) -> bool:
        """Makes ``content`` the state, unless it is the one that the state came from.

        ``False`` if the state became another one since ``turns``: ``content`` may be older.
        """
        with self._lock:
            if self._owner is not None and not self._is_mine():
                # A change began meanwhile, and reads by itself.
                return True
            if turns != self._turns:
                return False
            if content != self._text:
                self._parse(content)
                self._text, self._synced = content, self._cache
                self._turns += 1
            self._mark, self._synced_at = mark, time.time()
            return True

    def _parse(self, content: Optional[Content]) -> None:
        location = self._persistence.get_location()
        text = as_text(content, location) if isinstance(content, bytes) else content
        before = self._cache
        try:
            self.deserialize(text if text and text.strip() else None)
            state: Any = self._cache
            if isinstance(state, dict):
                return
            problem = "the content is JSON, but no cache"
        except json.JSONDecodeError as error:
            problem = f"the content is no JSON, at character {error.pos}"
        self._cache = before
        # The exception of the parser would hold the content.
        raise PersistenceCorrupt(message=problem, location=location)

    def _is_mine(self) -> bool:
        return self._owner is not None and self._owner == _caller()

    def _begin(self, timeout: float) -> Any:
        """Takes the lock, and finds what is stored."""
        is_standard = self._lock_location == self._standard_lock
        lock = None if is_standard else _native.Lock(self._lock_location)
        return source_of(self._persistence).begin(lock=lock, timeout=timeout)

    @contextmanager
    def _holding(self, timeout: float) -> Generator[Any, None, None]:
        """Holds the lock between processes, and reads what is stored."""
        caller = _caller()
        change = self._begin(timeout)
        with held(self._lock_location, change):
            try:
                # One step, so that a search of another thread sees the state before the change.
                with self._lock:
                    self._owner, self._change, self._is_read = caller, change, False
                    self._reload_if_necessary()
                    self._is_read, self._before = True, self._cache
                yield change
            finally:
                with self._lock:
                    self._owner = self._change = self._before = None
                    self._turns += 1

    @contextmanager
    def _changing(self, timeout: float) -> Generator[None, None, None]:
        if self._is_mine():
            yield
            return
        owner = self._owner
        if owner is not None and owner[0] == threading.get_ident():
            raise NestedError("another task of this thread is in a transaction of this cache")
        with self._holding(timeout) as change:
            with self._lock:
                before = self._cache
                was_changed, self.has_state_changed = self.has_state_changed, False
            try:
                yield
            except BaseException:
                self._revert(before, was_changed)
                raise
            synced = before if self._synced is None else self._synced
            if self._cache is synced and not self.has_state_changed:
                self.has_state_changed = was_changed
                return
            try:
                self._save(change)
            except LockError:
                self._revert(before, was_changed)
                raise

    def _revert(self, state: Dict[str, Any], was_changed: bool) -> None:
        with self._lock:
            self._cache, self.has_state_changed = state, was_changed

    def _save(self, change: Any) -> None:
        content = self._dumped()
        # Until it is known what became of the save.
        self._mark = _UNKNOWN
        self._mark = change.commit(content)
        self._text, self._synced, self._synced_at = content, self._cache, time.time()
        self._looked = (self._mark, content)

    def _dumped(self) -> bytes:
        if type(self).serialize is not PersistedTokenCache.serialize:
            return self.serialize().encode("utf-8")
        with self._lock:
            self.has_state_changed = False
            # Without an indent it is the parser's C code that writes.
            return json.dumps(self._cache, separators=(",", ":")).encode("utf-8")


def _is_blank(content: Optional[Content]) -> bool:
    return content is None or not content.strip()


class _Empty(ValueError):
    """A file has no content, maybe because its writer is not done."""


def _caller() -> _Caller:
    """This thread and its task."""
    asyncio = sys.modules.get("asyncio")
    task = None
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except (AttributeError, RuntimeError):
            # It is being imported, or no loop runs in this thread.
            pass
    return threading.get_ident(), task


def _forget_owners() -> None:
    """A child has none of its parent's threads."""
    for cache in _caches:
        cache._lock = threading.RLock()
        cache._owner = cache._change = cache._before = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_owners)
