"""A state of a cache that does not change while a search walks it."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List, Optional

import msal


class View(msal.TokenCache):
    """Searches ``state``, and notes what msal would remove from it."""

    def __init__(self, state: Dict[str, Any], key_makers: Dict[str, Callable[..., str]]) -> None:
        # Not the constructor of msal: it would make key makers for each search.
        self._lock = threading.RLock()
        self._cache = state
        self.key_makers = key_makers
        self.expired: List[Dict[str, Any]] = []

    def modify(
        self,
        credential_type: str,
        old_entry: Dict[str, Any],
        new_key_value_pairs: Optional[Dict[str, Any]] = None,
    ) -> None:
        self.expired.append(old_entry)
