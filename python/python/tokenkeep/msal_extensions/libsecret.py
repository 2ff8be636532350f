"""The Secret Service under the names that msal-extensions has for it. No PyGObject is needed."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Optional

from .. import _native
from .persistence import as_text, prompt_seconds

__all__ = ["LibSecretAgent", "trial_run"]


class LibSecretAgent:
    """Text in an item of the Secret Service, without a file that changes with it."""

    def __init__(
        self,
        schema_name: str,
        attributes: Optional[Mapping[str, str]],
        label: str = "",
        attribute_types: Optional[Dict[str, Any]] = None,
        collection: Optional[str] = None,
    ) -> None:
        del attribute_types
        # No file is touched. The name is for errors alone.
        location = os.path.join(os.path.expanduser("~"), ".msal_extensions_item")
        self._location = location
        self._store = _native.Store.msal_extensions(
            location,
            schema=schema_name,
            attributes=list((attributes or {}).items()),
            label=label,
            collection=collection,
            signal=False,
            prompt=prompt_seconds(),
        )

    def save(self, data: str) -> bool:
        """Stores ``data``, and returns true.

        Raises:
            PersistenceError: If it was not stored.
        """
        self._store.save(data.encode("utf-8"))
        return True

    def load(self) -> Optional[str]:
        """What is stored; ``None`` if nothing is.

        Raises:
            PersistenceError: If it cannot be read, for instance from a locked vault.
        """
        content: Optional[bytes] = self._store.load()
        return None if content is None else as_text(content, self._location)

    def clear(self) -> bool:
        """Removes what is stored. Returns whether something was.

        Raises:
            PersistenceError: If it was not removed.
        """
        if self._store.load() is None:
            return False
        self._store.delete()
        return True


def trial_run() -> None:
    """Shows that the Secret Service can be reached. Unlike msal-extensions it writes nothing.

    Raises:
        PersistenceUnavailable: If there is no session bus, service or collection. It is a
            :class:`RuntimeError`, too.
        PersistenceLocked: If the vault is locked.
    """
    LibSecretAgent("Test Schema", {"attr1": "foo", "attr2": "bar"}).load()
