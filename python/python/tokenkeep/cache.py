"""The token cache of a program, sealed and shared between its processes."""

from __future__ import annotations

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import (
        Any,
        Awaitable,
        Callable,
        List,
        Optional,
        Sequence,
        Tuple,
        TypeVar,
        Union,
    )

    from msal import SerializableTokenCache

    from .errors import Error

    T = TypeVar("T")
    Path = Union[str, "os.PathLike[str]"]
    Json = Union[str, bytes]
    Reply = Union[Tuple[int, Json], Tuple[int, Json, Optional[str]]]
    Exchange = Callable[[_native.Spend], Reply]
    AsyncExchange = Callable[[_native.Spend], Awaitable[Reply]]
    WhichAccount = Union[_native.Account, str, None]

__all__ = ["Cache", "in_memory", "open", "open_or_memory"]


class Cache:
    """A token cache that is stored, and shared with every process that opens the same store.

    - A change that returned is on disk. A kill or a power cut does not lose it.
    - A read returns the newest saved state, never a part of one.
    - Content that cannot be read is an error and stays as it is.

    Threads may share one object. A call waits for other processes at most ``lock_timeout``, and
    Ctrl-C ends the wait. In a forked child the object is usable, and what the parent was changing
    is the parent's.

    Methods whose names end with ``_async`` do the same on a thread of the event loop's executor.
    """

    def __init__(self, native: _native.Cache, store: Optional[_native.Store] = None) -> None:
        self._native = native
        self._store = store

    def find_access_token(
        self,
        client_id: str,
        authority: str,
        scopes: Sequence[str] = (),
        *,
        account: WhichAccount = None,
        claims: Optional[str] = None,
        client_capabilities: Optional[Sequence[str]] = None,
        resource: Optional[str] = None,
        margin: Optional[float] = None,
        instead_of: Optional[_native.AccessToken] = None,
    ) -> Optional[_native.AccessToken]:
        """The stored access token, if it is valid and stays valid for a while.

        It only looks, and asks nobody. ``account`` is an account or a home account id. The token
        stays valid for ``margin`` seconds. ``instead_of`` is a token that an API refused.

        Raises ``AccountAmbiguous`` if no account is named and several have a token.
        """
        return self._native.find_access_token(
            _native.TokenRequest(
                client_id,
                authority,
                scopes,
                account=account,
                claims=claims,
                client_capabilities=client_capabilities,
                resource=resource,
                margin=margin,
                instead_of=instead_of,
            )
        )

    def acquire_token_silent(
        self,
        client_id: str,
        authority: str,
        scopes: Sequence[str],
        exchange: Exchange,
        *,
        account: WhichAccount = None,
        claims: Optional[str] = None,
        client_capabilities: Optional[Sequence[str]] = None,
        resource: Optional[str] = None,
        margin: Optional[float] = None,
        instead_of: Optional[_native.AccessToken] = None,
        revoke: Optional[Callable[[str], Any]] = None,
        wait: float = 60.0,
        exchange_timeout: float = 30.0,
        allow_unsaved: bool = False,
    ) -> Optional[_native.AccessToken]:
        """A stored access token, or a renewed one. ``None``: the user has to sign in.

        One of all threads and processes asks the provider, and all get its token. ``exchange``
        sends ``spend.form`` to the token endpoint as an HTTP POST, and returns the status, the body
        and, if there was one, the ``Retry-After`` header. It must not send it twice or follow a
        redirect. An exception means that no response came. ``ProviderUnreachable``,
        ``ConnectionRefusedError`` and ``socket.gaierror`` say that nothing was sent.

        ``revoke`` gets a refresh token that was issued while its user signed out.

        Raises ``SignInNeeded``, ``Refused`` or a ``ProviderError`` by what the provider says,
        ``RefreshInProgress`` if others renew for longer than ``wait`` seconds, and any error of
        the store.
        """
        request = _native.TokenRequest(
            client_id,
            authority,
            scopes,
            account=account,
            claims=claims,
            client_capabilities=client_capabilities,
            resource=resource,
            margin=margin,
            instead_of=instead_of,
        )
        return self._native.acquire_token_silent(
            request,
            exchange,
            revoke=revoke,
            wait=wait,
            exchange_timeout=exchange_timeout,
            allow_unsaved=allow_unsaved,
        )

    def acquire_token_for_client(
        self,
        client_id: str,
        authority: str,
        scopes: Sequence[str],
        exchange: Exchange,
        *,
        wait: float = 60.0,
        exchange_timeout: float = 30.0,
        allow_unsaved: bool = False,
    ) -> Optional[_native.AccessToken]:
        """A token of the application itself, without a user: a stored one, or a new one.

        ``exchange`` adds the client's credentials to the form.
        """
        return self._native.acquire_token_for_client(
            _native.TokenRequest(client_id, authority, scopes, app_only=True),
            exchange,
            wait=wait,
            exchange_timeout=exchange_timeout,
            allow_unsaved=allow_unsaved,
        )

    def add_response(
        self,
        client_id: str,
        authority: str,
        scopes: Sequence[str],
        response: Json,
        *,
        account: WhichAccount = None,
    ) -> _native.AccessToken:
        """Stores the provider's JSON response to a sign-in, and returns its access token.

        A token that could not be stored is returned, too, because it cannot be requested twice:
        its ``unstored_because`` is the error. :meth:`prepare` finds most of these before the user
        signs in.
        """
        request = _native.TokenRequest(client_id, authority, scopes, account=account)
        return self._native.add_response(request, response)

    def accounts(self, authority: Optional[str] = None) -> List[_native.Account]:
        """The accounts that are signed in, at all authorities or at one."""
        if authority is None:
            return self._native.accounts()
        return self._native.accounts_of(authority)

    def accounts_named(self, name: str) -> List[_native.Account]:
        """The accounts that ``name`` may mean."""
        return self._native.accounts_named(name)

    def sign_out(
        self,
        account: _native.Account,
        client_id: Optional[str] = None,
        *,
        revoke: Optional[Callable[[str], Any]] = None,
    ) -> int:
        """Signs an account out of one client, or of every client. Returns how many entries went.

        ``revoke`` then gets each refresh token that nobody needs any more. What it raises does not
        bring the sign-in back. Without it nothing is revoked at the provider.
        """
        if revoke is None:
            return self._native.sign_out(account, client_id)
        return self._native.sign_out_with(account, client_id, revoke)[0]

    def transaction(self, change: Callable[[_native.TokenCache], T]) -> T:
        """Reads the newest state, lets ``change`` modify it, and saves all of it or nothing.

        Other processes wait meanwhile, so ``change`` should not use the network. It may run more
        than once. If it raises, nothing is changed. Using the cache itself inside is a
        ``NestedError``.
        """
        return self._native.transaction(change)

    def to_json(self) -> bytes:
        """The cache as JSON in the MSAL unified schema. It holds every token."""
        return self._native.to_json()

    def refresh_lease(
        self,
        client_id: str,
        authority: str,
        scopes: Sequence[str] = (),
        *,
        account: WhichAccount = None,
        wait: float = 60.0,
    ) -> _native.RefreshLease:
        """Waits for the right to spend a refresh token, for a program that renews in its own way.

        With the lease, look for an access token again, since another program may have renewed.
        """
        request = _native.TokenRequest(client_id, authority, scopes, account=account)
        return self._native.refresh_lease(request, wait=wait)

    def settle(self, timeout: float = 30.0) -> None:
        """Waits until the renewals that this process has begun have ended, and are saved.

        Call it before the program ends, if it may end during a renewal.
        """
        self._native.settle(timeout)

    def prepare(self) -> str:
        """Proves, before a user signs in, that the sign-in can be stored, and prepares the save.

        A vault may prompt if that was allowed. Returns the protection.
        """
        return self._native.prepare()

    def verify(self) -> str:
        """Proves that the cache can be read and written here and now. Returns the protection."""
        return self._native.verify()

    @property
    def protection(self) -> str:
        """What protects the stored bytes, in words for users."""
        return self._native.protection

    @property
    def is_encrypted(self) -> bool:
        """Whether bytes at rest are encrypted."""
        return self._native.is_encrypted

    @property
    def path(self) -> Optional[str]:
        """The folder of the cache. ``None`` in memory."""
        return self._native.path

    def clear(self) -> None:
        """Removes the cache, its key and what was set aside. An absent cache is not an error."""
        self._native.clear()

    def reset(self) -> None:
        """Removes the cache even if it cannot be read, and starts over empty."""
        self._native.reset()

    def quarantine(self) -> Optional[str]:
        """Renames the cache to another name in its folder, and starts over empty.

        Returns the new name, or ``None`` if nothing was kept.
        """
        return self._native.quarantine()

    def for_msal(self) -> "SerializableTokenCache":
        """This cache for an application of msal, such as ``PublicClientApplication``::

            app = msal.PublicClientApplication(ID, token_cache=cache.for_msal())

        It is a ``tokenkeep.msal_extensions.PersistedTokenCache``, and of a cache in memory a
        ``SerializableTokenCache`` of msal, which is apart from this object. msal must be installed.
        """
        import msal

        if self._store is None:
            return msal.SerializableTokenCache()
        from .msal_extensions.persistence import SealedPersistence
        from .msal_extensions.token_cache import PersistedTokenCache

        return PersistedTokenCache(SealedPersistence(self._store))

    async def call_async(self, call: Callable[..., T], *arguments: Any, **keywords: Any) -> T:
        """Calls one of the other methods on a thread of the event loop's executor."""
        import asyncio
        import functools

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, functools.partial(call, *arguments, **keywords))

    async def find_access_token_async(
        self, client_id: str, authority: str, scopes: Sequence[str] = (), **options: Any
    ) -> Optional[_native.AccessToken]:
        """:meth:`find_access_token` for a task. Its options are the same."""
        return await self.call_async(
            self.find_access_token, client_id, authority, scopes, **options
        )

    async def add_response_async(
        self,
        client_id: str,
        authority: str,
        scopes: Sequence[str],
        response: Json,
        *,
        account: WhichAccount = None,
    ) -> _native.AccessToken:
        """:meth:`add_response` for a task."""
        return await self.call_async(
            self.add_response, client_id, authority, scopes, response, account=account
        )

    async def acquire_token_silent_async(
        self,
        client_id: str,
        authority: str,
        scopes: Sequence[str],
        exchange: AsyncExchange,
        **options: Any,
    ) -> Optional[_native.AccessToken]:
        """:meth:`acquire_token_silent` for a task, with an ``exchange`` that is awaited.

        ``exchange`` runs in the event loop. It is awaited to its end even if this task is
        cancelled, so that an answer of the provider is not lost. The options are the same.
        """
        import asyncio

        loop = asyncio.get_running_loop()

        async def awaited(spend: _native.Spend) -> Reply:
            return await exchange(spend)

        def exchange_there(spend: _native.Spend) -> Reply:
            return asyncio.run_coroutine_threadsafe(awaited(spend), loop).result()

        call = self.call_async(
            self.acquire_token_silent, client_id, authority, scopes, exchange_there, **options
        )
        return await asyncio.shield(asyncio.ensure_future(call))

    async def transaction_async(self, change: Callable[[_native.TokenCache], T]) -> T:
        """:meth:`transaction` for a task. ``change`` runs on the executor's thread."""
        return await self.call_async(lambda: self.transaction(change))

    def __repr__(self) -> str:
        return f"<tokenkeep.Cache, {self.protection}>"


def open(
    name: str,
    *,
    folder: Optional[Path] = None,
    login_session: bool = False,
    key_sources: Optional[Sequence[_native.KeySource]] = None,
    prompt: Optional[float] = None,
    lock_timeout: float = 60.0,
    reach: bool = True,
) -> Cache:
    """Opens the sealed cache ``name`` in the user's data folder. Its key is in the vault.

    ``name`` identifies the store, such as ``"com.example.mytool"``. ``folder`` is another place,
    which only this store may use; ``login_session`` is a place that is gone at logout.
    ``key_sources`` says where the key comes from, best first. ``prompt`` is how many seconds the
    vault may ask the user something; ``None`` forbids it. ``lock_timeout`` is how many seconds a
    call waits for other processes. With ``reach=False`` the vault is not reached yet, so that a
    cache can be reset or set aside while it is out of reach.

    Creates nothing: the first save does. Raises ``PersistenceUnavailable`` if there is no vault,
    ``PersistenceLocked`` if it is locked, ``PersistenceUnsafe`` if others can change the folder,
    and ``InvalidError`` for a name that cannot be used.
    """
    store = _native.Store.sealed(
        name,
        folder=folder,
        login_session=login_session,
        key_sources=key_sources,
        prompt=prompt,
        reach=reach,
    )
    return Cache(store.cache().with_lock_timeout(lock_timeout), store)


def open_or_memory(
    name: str,
    *,
    folder: Optional[Path] = None,
    login_session: bool = False,
    key_sources: Optional[Sequence[_native.KeySource]] = None,
    prompt: Optional[float] = None,
    lock_timeout: float = 60.0,
) -> Tuple[Cache, Optional[Error]]:
    """Like :func:`open`, but if that fails, the cache is kept in memory only.

    The second value is the error of :func:`open`, for the program to show.
    """
    try:
        cache = open(
            name,
            folder=folder,
            login_session=login_session,
            key_sources=key_sources,
            prompt=prompt,
            lock_timeout=lock_timeout,
        )
    except Exception as error:
        from .errors import Error as Ours

        if not isinstance(error, Ours):
            raise
        return in_memory(), error
    return cache, None


def in_memory() -> Cache:
    """A cache in memory only, which ends with the object. Nothing is written anywhere."""
    return Cache(_native.Cache.in_memory())
