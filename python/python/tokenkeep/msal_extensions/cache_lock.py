"""The lock that programs with msal-extensions take around their caches."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import Any, Dict, Generator, List, Tuple, Union

from .. import _native
from ..errors import LockError

__all__ = ["CrossPlatLock", "LockError"]

# The locks that transactions hold, by thread and path.
_held: Dict[Tuple[int, str], int] = {}


class CrossPlatLock:
    """A lock between processes and threads, on exactly the file ``lockfile_path``.

    It keeps out, and is kept out by, both kinds of lock of msal-extensions, and those of MSAL.NET
    and msal-node. A file that a killed program left is taken over after 0.75 s.

    ``timeout`` is in seconds. In a thread that holds the lock by a transaction of a cache,
    the lock is entered at once.

    Raises:
        LockError: If the lock is held for ``timeout``, or if this thread holds it already.
    """

    def __init__(
        self, lockfile_path: Union[str, os.PathLike[str]], *, timeout: float = 5.0
    ) -> None:
        self._lockpath = lockfile_path
        self._timeout = timeout
        self._guards: List[Any] = []

    def __enter__(self) -> CrossPlatLock:
        path = os.fspath(self._lockpath)
        if (threading.get_ident(), path) in _held:
            self._guards.append(None)
        else:
            self._guards.append(_native.Lock(path).acquire(self._timeout))
        return self

    def __exit__(self, *_exception: Any) -> None:
        guard = self._guards.pop()
        if guard is not None:
            guard.release()


@contextmanager
def held(path: str, guard: Any) -> Generator[None, None, None]:
    """Notes that this thread holds the lock at ``path``, and releases ``guard`` at the end."""
    key = (threading.get_ident(), path)
    _held[key] = os.getpid()
    try:
        yield
    finally:
        _held.pop(key, None)
        guard.release()


if hasattr(os, "register_at_fork"):
    # A child does not hold its parent's locks.
    os.register_at_fork(after_in_child=_held.clear)
