"""The part of msal that this package uses. msal has no types of its own."""

from threading import RLock
from typing import Any, Callable, Dict, Iterator, List, Optional

class TokenCache:
    class CredentialType:
        ACCESS_TOKEN: str
        REFRESH_TOKEN: str

    _lock: RLock
    _cache: Dict[str, Dict[str, Dict[str, Any]]]
    key_makers: Dict[str, Callable[..., str]]
    def __init__(self) -> None: ...
    def search(
        self,
        credential_type: str,
        target: Optional[List[str]] = None,
        query: Optional[Dict[str, Any]] = None,
        *,
        now: Optional[float] = None,
    ) -> Iterator[Dict[str, Any]]: ...
    def add(self, event: Dict[str, Any], now: Optional[float] = None) -> None: ...
    def modify(
        self,
        credential_type: str,
        old_entry: Dict[str, Any],
        new_key_value_pairs: Optional[Dict[str, Any]] = None,
    ) -> None: ...
    def remove_at(self, at_item: Dict[str, Any]) -> None: ...
    def update_rt(self, rt_item: Dict[str, Any], new_rt: str) -> None: ...
    def _get(self, credential_type: str, key: str, default: Any = None) -> Any: ...

class SerializableTokenCache(TokenCache):
    has_state_changed: bool
    def add(self, event: Dict[str, Any], **kwargs: Any) -> None: ...
    def deserialize(self, state: Optional[str]) -> None: ...
    def serialize(self) -> str: ...
