"""DPAPI under the name that msal-extensions has for it."""

from __future__ import annotations

import os
import tempfile
from typing import Any, Optional

from .. import _native
from .persistence import as_text

__all__ = ["WindowsDataProtectionAgent"]


class WindowsDataProtectionAgent:
    """Encrypts text for this user of this Windows."""

    def __init__(self, entropy: Optional[str] = None) -> None:
        self._entropy = entropy.encode("utf-8") if entropy else None

    def protect(self, message: str) -> bytes:
        """``message``, encrypted.

        Raises:
            PersistenceError: If Windows refuses, and on other systems.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "item")
            self._store(path).save(message.encode("utf-8"))
            with open(path, "rb") as file:
                return file.read()

    def unprotect(self, cipher_text: bytes) -> str:
        """What was given to :meth:`protect`.

        Raises:
            PersistenceDecryptionError: If another user, machine or entropy encrypted it.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "item")
            with open(path, "wb") as file:
                file.write(cipher_text)
            content = self._store(path).load()
            return as_text(content or b"", path)

    def _store(self, path: str) -> Any:
        if os.name != "nt":
            raise OSError("only Windows has DPAPI")
        return _native.Store.msal_extensions(path, entropy=self._entropy)
