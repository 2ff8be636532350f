"""Keeps OAuth sign-ins across runs of a program, so that users sign in once.

:func:`open` opens the token cache of a program. It holds tokens in the schema of Microsoft's MSAL
libraries, encrypted under a key in the operating system's vault. Any number of threads and
processes use it at once, and one of them renews a token for all::

    import tokenkeep

    cache = tokenkeep.open("com.example.mytool")
    token = cache.find_access_token(CLIENT_ID, AUTHORITY, ["User.Read"])

A module is imported when one of its names is first used, so ``import tokenkeep`` costs little. Only
``tokenkeep.msal_extensions`` and what is for applications of msal import msal.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._native import AccessToken as AccessToken
    from ._native import Account as Account
    from ._native import KeySource as KeySource
    from ._native import Lock as Lock
    from ._native import RefreshLease as RefreshLease
    from ._native import Spend as Spend
    from ._native import TokenCache as TokenCache
    from ._native import TokenRequest as TokenRequest
    from .cache import Cache as Cache
    from .cache import in_memory as in_memory
    from .cache import open as open
    from .cache import open_or_memory as open_or_memory
    from .doctor import Check as Check
    from .doctor import doctor as doctor
    from .errors import AccountAmbiguous as AccountAmbiguous
    from .errors import Error as Error
    from .errors import InvalidError as InvalidError
    from .errors import LockError as LockError
    from .errors import NestedError as NestedError
    from .errors import PersistenceCorrupt as PersistenceCorrupt
    from .errors import PersistenceDecryptionError as PersistenceDecryptionError
    from .errors import PersistenceDenied as PersistenceDenied
    from .errors import PersistenceEncryptionError as PersistenceEncryptionError
    from .errors import PersistenceError as PersistenceError
    from .errors import PersistenceKeyGone as PersistenceKeyGone
    from .errors import PersistenceLocked as PersistenceLocked
    from .errors import PersistenceNotFound as PersistenceNotFound
    from .errors import PersistenceOutcomeUnknown as PersistenceOutcomeUnknown
    from .errors import PersistenceTimeout as PersistenceTimeout
    from .errors import PersistenceUnavailable as PersistenceUnavailable
    from .errors import PersistenceUnsafe as PersistenceUnsafe
    from .errors import ProviderAnswer as ProviderAnswer
    from .errors import ProviderError as ProviderError
    from .errors import ProviderUnavailable as ProviderUnavailable
    from .errors import ProviderUnreachable as ProviderUnreachable
    from .errors import RefreshInProgress as RefreshInProgress
    from .errors import RefreshTokenGone as RefreshTokenGone
    from .errors import Refused as Refused
    from .errors import SignInNeeded as SignInNeeded
    from .errors import UnsupportedError as UnsupportedError
    from .msal_app import acquire_token_silent as acquire_token_silent
    from .msal_app import sign_out as sign_out

    __version__: str

# The names of the package and where they are. Those of `errors` are looked up there.
_MODULES = {
    "_native": (
        "AccessToken",
        "Account",
        "KeySource",
        "Lock",
        "RefreshLease",
        "Spend",
        "TokenCache",
        "TokenRequest",
    ),
    "cache": ("Cache", "in_memory", "open", "open_or_memory"),
    "doctor": ("Check", "doctor"),
    "msal_app": ("acquire_token_silent", "sign_out"),
}
_SUBMODULES = ("cache", "errors", "msal_extensions")


def _module(name: str) -> object:
    return __import__(f"{__name__}.{name}", fromlist=["_"])


def __getattr__(name: str) -> object:
    if name == "__version__":
        value = getattr(_module("_native"), "VERSION")
    elif name in _SUBMODULES:
        return _module(name)
    else:
        for module, names in _MODULES.items():
            if name in names:
                value = getattr(_module(module), name)
                break
        else:
            errors = _module("errors") if name[:1].isupper() else None
            if errors is None or name not in getattr(errors, "__all__"):
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
            value = getattr(errors, name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    names = {name for names in _MODULES.values() for name in names}
    names.update(getattr(_module("errors"), "__all__"))
    names.update(_SUBMODULES, ["__version__"])
    return sorted(names.union(globals()))
