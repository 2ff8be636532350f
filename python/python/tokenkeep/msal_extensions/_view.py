"""A state of a cache that does not change while a search walks it."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

import msal

Entry = Dict[str, Any]


class View(msal.TokenCache):
    """Searches ``state``, and calls ``forget`` with what msal would remove from it."""

    _expired: Optional[List[Entry]] = None

    def __init__(
        self,
        state: Dict[str, Any],
        key_makers: Dict[str, Callable[..., str]],
        forget: Callable[[List[Entry]], None],
    ) -> None:
        # Not the constructor of msal: it would make key makers for each search.
        self._cache = state
        self.key_makers = key_makers
        self._forget = forget

    # Nobody changes a state, so it needs no lock. msal leaves the lock when a walk ends.
    @property
    def _lock(self) -> View:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_exception: object) -> None:
        expired, self._expired = self._expired, None
        if expired:
            self._forget(expired)

    def _get(self, credential_type: str, key: str, default: Any = None) -> Any:
        return self._cache.get(credential_type, {}).get(key, default)

    def modify(
        self,
        credential_type: str,
        old_entry: Entry,
        new_key_value_pairs: Optional[Entry] = None,
    ) -> None:
        if self._expired is None:
            self._expired = []
        self._expired.append(old_entry)
