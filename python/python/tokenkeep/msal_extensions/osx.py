"""The Keychain under the names that msal-extensions has for it."""

from __future__ import annotations

import os
from typing import Any, Optional

from .. import _native
from ..errors import PersistenceError, PersistenceUnavailable
from .persistence import as_text

__all__ = ["Keychain", "KeychainError"]


class KeychainError(PersistenceError):
    """The Keychain refused. ``exit_status`` is its ``OSStatus``."""

    ACCESS_DENIED = -128
    NO_SUCH_KEYCHAIN = -25294
    NO_DEFAULT = -25307
    ITEM_NOT_FOUND = -25300

    def __init__(self, exit_status: Optional[int] = None, message: Optional[str] = None) -> None:
        self.message = message or f"the Keychain answered with status {exit_status}"
        super().__init__(None, self.message, None)
        self.exit_status = exit_status


class Keychain:
    """The generic passwords of the default keychain."""

    def __init__(self, filename: Optional[str] = None) -> None:
        if filename:
            raise PersistenceUnavailable(
                message="only the default keychain can be used; leave the file name out",
                location=filename,
            )

    def __enter__(self) -> Keychain:
        return self

    def __exit__(self, *_exception: Any) -> None:
        """There is nothing to close."""

    def get_generic_password(self, service: str, account_name: str) -> str:
        """The password of ``account_name`` for ``service``.

        Raises:
            KeychainError: If there is none, or if it cannot be read.
        """
        try:
            content = _item(service, account_name).load()
        except PersistenceError as error:
            raise _keychain_error(error) from error
        if content is None:
            raise KeychainError(KeychainError.ITEM_NOT_FOUND, "the Keychain has no such password")
        return as_text(content, f"{service}, {account_name}")

    def set_generic_password(self, service: str, account_name: str, value: str) -> None:
        """Stores the password of ``account_name`` for ``service``.

        Raises:
            KeychainError: If it was not stored.
        """
        try:
            _item(service, account_name).save(value.encode("utf-8"))
        except PersistenceError as error:
            raise _keychain_error(error) from error

    def get_internet_password(self, service: str, username: str) -> str:
        """Not available, as in msal-extensions."""
        raise NotImplementedError

    def set_internet_password(self, service: str, username: str, value: str) -> None:
        """Not available, as in msal-extensions."""
        raise NotImplementedError


def _item(service: str, account: str) -> Any:
    # No file is touched. The name is for errors alone.
    location = os.path.join(os.path.expanduser("~"), ".msal_extensions_item")
    return _native.Store.msal_extensions(location, service=service, account=account, signal=False)


def _keychain_error(error: PersistenceError) -> KeychainError:
    made = KeychainError(error.exit_status, error.strerror)
    made.kind, made.next_step = error.kind, error.next_step
    return made
