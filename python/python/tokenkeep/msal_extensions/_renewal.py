"""Notices that msal is about to spend a refresh token."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import Any, Generator


class RenewalNeeded(BaseException):
    """msal asks for a refresh token, so it found no access token.

    No :class:`Exception`, because msal catches some of those.
    """


_watched = threading.local()


@contextmanager
def watched(cache: Any) -> Generator[None, None, None]:
    """A search of this thread for a refresh token in ``cache`` raises :class:`RenewalNeeded`."""
    _watched.cache = cache
    try:
        yield
    finally:
        _watched.cache = None


def check(cache: Any) -> None:
    """Called before a search for a refresh token."""
    if getattr(_watched, "cache", None) is cache:
        raise RenewalNeeded
