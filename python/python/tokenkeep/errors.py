"""The errors of tokenkeep.

Every error is an :class:`Error`. Its text says what failed, ``next_step`` says in one line what to
do, and neither carries a secret. The classes whose names begin with ``Persistence`` keep the bases
that programs with msal-extensions catch: :class:`OSError`, and where it fits :class:`RuntimeError`,
:class:`TimeoutError`, :class:`PermissionError` or :class:`json.JSONDecodeError`.
"""

from __future__ import annotations

import errno as _errno
import json as _json
from typing import Any, Dict, List, Optional

__all__ = [
    "AccountAmbiguous",
    "Error",
    "InvalidError",
    "LockError",
    "NestedError",
    "PersistenceCorrupt",
    "PersistenceDecryptionError",
    "PersistenceDenied",
    "PersistenceEncryptionError",
    "PersistenceError",
    "PersistenceKeyGone",
    "PersistenceLocked",
    "PersistenceNotFound",
    "PersistenceOutcomeUnknown",
    "PersistenceTimeout",
    "PersistenceUnavailable",
    "PersistenceUnsafe",
    "ProviderAnswer",
    "ProviderError",
    "ProviderUnavailable",
    "ProviderUnreachable",
    "RefreshInProgress",
    "RefreshTokenGone",
    "Refused",
    "SignInNeeded",
    "UnsupportedError",
]


class Error(Exception):
    """The base of all errors of this package."""

    kind: str = ""
    """The exact kind, such as ``"VaultLocked"``. Empty if Python code raised the error."""
    next_step: str = "correct the cause, then try again"
    """What the user can do, in one line."""
    source: Optional[str] = None
    """What the operating system, a vault or a parser said, if it said anything."""
    is_retryable: bool = False
    """Whether the same call may succeed a little later without any other action."""
    is_sign_in_needed: bool = False
    """Whether the user has to sign in again."""
    exit_status: Optional[int] = None
    """The ``OSStatus`` of the Keychain, if it gave one."""


class PersistenceError(Error, OSError):
    """A store could not be reached, read or written.

    ``errno`` is the number that the operating system gave; on Windows it is the code of its last
    error or an HRESULT. ``strerror`` is the text, and ``filename`` the file if one is known.
    """

    def __init__(
        self,
        err_no: Optional[int] = None,
        message: Optional[str] = None,
        location: Optional[str] = None,
    ) -> None:
        super().__init__(err_no, message, location)

    def __str__(self) -> str:
        # Texts of the package name the file themselves.
        if self.kind and self.strerror:
            return str(self.strerror)
        return OSError.__str__(self)


class PersistenceNotFound(PersistenceError):
    """Nothing is kept at the location. ``errno`` is ``ENOENT``."""

    next_step = "save something first, or name another location"

    def __init__(
        self,
        err_no: Optional[int] = None,
        message: Optional[str] = None,
        location: Optional[str] = None,
    ) -> None:
        super().__init__(_errno.ENOENT, message or "Persistence not found", location)


class PersistenceEncryptionError(PersistenceError):
    """The operating system did not encrypt."""


class PersistenceDecryptionError(PersistenceError):
    """The content cannot be decrypted: another user, machine, password or key encrypted it."""


class PersistenceKeyGone(PersistenceDecryptionError):
    """The key of a sealed cache is gone from where it was kept."""


class PersistenceLocked(PersistenceError):
    """The vault is locked, and may not prompt or its prompt was closed."""


class PersistenceUnavailable(PersistenceError, RuntimeError):
    """There is no such vault here, or its service does not run."""


class PersistenceTimeout(PersistenceError, TimeoutError):
    """The vault did not answer in time."""


class PersistenceDenied(PersistenceError, PermissionError):
    """The operating system or the vault refuses this user or this program."""


class PersistenceUnsafe(PersistenceError):
    """A file or folder is not safe to use, such as one that other users can change."""


class PersistenceOutcomeUnknown(PersistenceError):
    """A write was begun, and whether it happened or lasts is not known. Look again first."""


class PersistenceCorrupt(PersistenceError, _json.JSONDecodeError):
    """The content is not what it should be. It was left unchanged.

    ``doc`` is always empty, because the content is secret.
    """

    msg: str
    doc: str
    pos: int
    lineno: int
    colno: int

    def __init__(
        self,
        err_no: Optional[int] = None,
        message: Optional[str] = None,
        location: Optional[str] = None,
    ) -> None:
        super().__init__(err_no, message, location)
        self.msg = message or "the content is corrupt"
        self.doc = ""
        self.pos = 0
        self.lineno = 1
        self.colno = 1

    def __reduce__(self) -> Any:
        return OSError.__reduce__(self)


class LockError(Error, RuntimeError):
    """A lock could not be acquired."""

    holder: Optional[str] = None
    """The process that holds it, if it is known."""
    waited: Optional[float] = None
    """How many seconds the call waited."""


class NestedError(Error, RuntimeError):
    """The cache was used inside its own transaction or callback, which would wait for itself."""


class InvalidError(Error, ValueError):
    """An argument cannot be used. Nothing was changed."""


class UnsupportedError(Error):
    """This store or this system cannot do what was asked. Nothing was changed."""


class AccountAmbiguous(Error, ValueError):
    """Several accounts have a token for the request. Name one of them."""

    usernames: List[str] = []
    """Their user names."""


class _OfProvider(Error):
    code: Optional[str] = None
    """The provider's ``error``, for instance ``"invalid_grant"``."""
    suberror: Optional[str] = None
    """What Microsoft says more exactly. MSAL calls it the classification."""
    description: Optional[str] = None
    """The provider's sentence about it, not escaped."""
    claims: Optional[str] = None
    """The claims that a sign-in has to ask for, as JSON text."""
    correlation_id: Optional[str] = None
    """The id by which the provider finds the request in its logs."""


class SignInNeeded(_OfProvider):
    """The provider accepts neither the refresh token nor the sign-in. Sign in again."""


class Refused(_OfProvider):
    """The provider refuses the request for a reason that a sign-in does not solve."""


class ProviderError(Error):
    """The provider gave no token, and the user is still signed in."""


class ProviderAnswer(ProviderError):
    """The provider's response is no answer of a token endpoint."""


class ProviderUnreachable(ProviderError):
    """The provider could not be reached. Nothing was spent."""


class ProviderUnavailable(ProviderError):
    """The provider is overloaded or broken, or gave no answer in time."""

    status: Optional[int] = None
    """The HTTP status code, if there was an answer."""
    retry_in: Optional[float] = None
    """After how many seconds the provider is asked again."""


class RefreshInProgress(Error):
    """Another call has been renewing the token for the whole time. Nothing was spent."""

    holder: Optional[str] = None
    """The program, if it is known."""
    waited: Optional[float] = None
    """How many seconds the call waited."""


class RefreshTokenGone(Error):
    """The refresh token that was spent is not in the cache any more. Nothing was stored."""


def make(
    name: str,
    message: str,
    code: Optional[int],
    filename: Optional[str],
    attributes: Dict[str, Any],
) -> Error:
    """The error ``name``, for the native module."""
    kind = globals()[name]
    if issubclass(kind, PersistenceError):
        error: Error = kind(code, message, filename)
    else:
        error = kind(message)
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error
