"""What an application of msal does better with a cache of this package."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Dict, Generator, List, Optional

from . import _native
from .msal_extensions._renewal import RenewalNeeded, watched
from .msal_extensions.persistence import store_of

if TYPE_CHECKING:
    from .msal_extensions.token_cache import PersistedTokenCache

__all__ = ["acquire_token_silent", "sign_out"]


def acquire_token_silent(
    app: Any,
    scopes: List[str],
    account: Optional[Dict[str, Any]],
    *,
    wait: float = 60.0,
    **options: Any,
) -> Optional[Dict[str, Any]]:
    """``app.acquire_token_silent(scopes, account, **options)``, and one renewal for all processes.

    Where many processes find the token expired, one renews it. The others wait, for up to ``wait``
    seconds, and take what it stored. Without this each spends the refresh token, and the provider
    may refuse all but one.

    ``app`` must have a cache of this package.

    Raises:
        RefreshInProgress: If another process renews for longer than ``wait``.
        PersistenceError, LockError: If the cache cannot be read or saved.
    """
    cache = _cache_of(app)
    try:
        with watched(cache):
            return _silent(app, scopes, account, options)
    except RenewalNeeded:
        pass
    with _lease(app, cache, scopes, account, wait):
        # Another process may have renewed it meanwhile, and then there is a token now.
        return _silent(app, scopes, account, options)


def sign_out(app: Any, account: Dict[str, Any]) -> None:
    """Removes everything of ``account`` that ``app`` could use, in one change.

    That includes what ``app.remove_account`` leaves: tokens under the names that a cloud had
    earlier, and under the keys of other libraries.

    Raises:
        PersistenceError, LockError: If the cache cannot be read or saved. Nothing is removed then.
    """
    cache = _cache_of(app)
    # This may ask the provider for the names of its cloud, which must not be done in a transaction.
    app.get_accounts()
    with cache.transaction():
        app.remove_account(account)
        text, removed = _native.sign_out(
            cache._dumped(),
            home_account_id=account["home_account_id"],
            environment=account.get("environment"),
            client_id=app.client_id,
        )
        if removed:
            cache.deserialize(text.decode("utf-8"))
        cache.has_state_changed = True


def _cache_of(app: Any) -> PersistedTokenCache:
    # It imports msal, which a program with such an application has imported already.
    from .msal_extensions.token_cache import PersistedTokenCache

    cache = app.token_cache
    if not isinstance(cache, PersistedTokenCache):
        raise TypeError(
            f"the application's cache is a {type(cache).__name__}; "
            "give it a PersistedTokenCache of tokenkeep.msal_extensions"
        )
    return cache


def _silent(
    app: Any, scopes: List[str], account: Optional[Dict[str, Any]], options: Dict[str, Any]
) -> Optional[Dict[str, Any]]:
    result: Optional[Dict[str, Any]] = app.acquire_token_silent(scopes, account, **options)
    return result


@contextmanager
def _lease(
    app: Any,
    cache: PersistedTokenCache,
    scopes: List[str],
    account: Optional[Dict[str, Any]],
    wait: float,
) -> Generator[None, None, None]:
    store = store_of(cache._persistence)
    if store is None or account is None:
        # A place of the program's own.
        lease = _native.Lock(os.fspath(cache._lock_location) + ".renewal").acquire(wait)
    else:
        request = _native.TokenRequest(
            app.client_id,
            f"https://{app.authority.instance}/{app.authority.tenant}",
            scopes,
            account=account["home_account_id"],
        )
        lease = store.cache().refresh_lease(request, wait=wait)
    try:
        yield
    finally:
        lease.release()
