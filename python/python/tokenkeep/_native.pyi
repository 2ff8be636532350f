"""The native part of tokenkeep. Programs import ``tokenkeep`` instead.

Every wait lets other threads run, and ends with ``KeyboardInterrupt`` within 0.2 s of Ctrl-C: for a
lock, a vault, and the answer to a vault's prompt. Every error is one of ``tokenkeep.errors``. Times
are in seconds.
"""

import os
from typing import (
    Any,
    Callable,
    List,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
    final,
)

from typing_extensions import Self

_Path = Union[str, "os.PathLike[str]"]
_Json = Union[str, bytes]
_Reply = Union[Tuple[int, _Json], Tuple[int, _Json, Optional[str]]]
_T = TypeVar("_T")

VERSION: str

@final
class Stamp:
    """A mark of what a store holds. Equal marks mean that a reader need not load again.

    It compares only where and when the content was written. It decides nothing about a write.
    """

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class LockGuard:
    """A lock that is held until :meth:`release`, or until this is collected.

    In a forked child, releasing it does nothing: the lock is its parent's.
    """

    def is_intact(self) -> bool:
        """Whether the lock still excludes others. ``False`` after a release and in a forked child.

        Ask right before a write.
        """
    def release(self) -> None:
        """Releases the lock. Does nothing if it was released."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

@final
class Lock:
    """A lock between processes on exactly the file ``path``, as ``CrossPlatLock(path)`` takes it.

    The file's folder must exist when the lock is acquired. The file is created, overwritten and
    removed. A context manager acquires it, and gives the :class:`LockGuard`.
    """

    def __new__(cls, path: _Path, *, timeout: float = 60.0) -> Self: ...
    @property
    def path(self) -> str:
        """The file."""
    def acquire(self, timeout: Optional[float] = None) -> LockGuard:
        """Acquires the lock, or waits for it. 0 tries once.

        Raises ``LockError`` with ``holder`` and ``waited`` when the time is up, and at once if this
        thread has the lock.
        """
    def holder(self) -> Optional[str]:
        """The process that the file names, in words. ``None`` if there is no file."""
    def __enter__(self) -> LockGuard: ...
    def __exit__(self, *exception: object) -> None: ...

@final
class KeySource:
    """Where the key of a sealed cache comes from. List several, best first.

    A new cache takes the first source that exists here. A source that is locked or does not answer
    is an error, and the next is not tried.
    """

    @staticmethod
    def os_vault() -> KeySource:
        """The Secret Service, the Keychain, or Windows' Credential Manager."""
    @staticmethod
    def dpapi() -> KeySource:
        """A key file beside the cache that Windows' data protection encrypts."""
    @staticmethod
    def kernel_keyring(keyring: str = "user") -> KeySource:
        """The kernel's keyring of Linux: of the ``"user"``, or of the login ``"session"``."""
    @staticmethod
    def key_file(path: _Path) -> KeySource:
        """A key file, created at the first save, in a folder of its own."""
    @staticmethod
    def passphrase(passphrase: Union[str, Callable[[bool], str]]) -> KeySource:
        """A passphrase, or a callable that gets whether the cache is new and returns it."""
    @staticmethod
    def callback(function: Callable[[str, str, bool], bytes]) -> KeySource:
        """A callable that returns the 32 bytes of a key.

        Its arguments are the store's name, the key's id and whether the cache is new. The id of an
        existing cache comes from its file, and is not authenticated.
        """
    @property
    def name(self) -> str:
        """The kind of the source, such as ``"os_vault"``."""
    def verify(self, store: str, *, prompt: Optional[float] = None) -> None:
        """Proves that the source can supply keys, or raises why not. No cache is touched."""

@final
class Store:
    """Bytes that are kept in one place. They may be empty, and are not examined.

    A change takes these steps: :meth:`prepare` with ``"write"``, which may prompt; the lock;
    :meth:`load`; :meth:`save` with the guard. :meth:`begin` does the first three.
    """

    @staticmethod
    def plaintext(location: _Path) -> Store:
        """A file in plain text, mode 0600. ``~`` is refused.

        Nothing is opened or created yet. A save creates the file's folder, whose parent must exist.
        """
    @staticmethod
    def msal_extensions(
        location: _Path,
        *,
        service: Optional[str] = None,
        account: Optional[str] = None,
        schema: Optional[str] = None,
        match_schema: bool = True,
        attributes: Optional[Sequence[Tuple[str, str]]] = None,
        label: Optional[str] = None,
        collection: Optional[str] = None,
        encoding: str = "raw",
        entropy: Optional[bytes] = None,
        description: Optional[str] = None,
        signal: bool = True,
        prompt: Optional[float] = None,
    ) -> Store:
        """What msal-extensions opens at ``location``, encrypted.

        On Windows it is that file, under DPAPI with ``entropy``. On macOS it is the Keychain's item
        of ``service`` and ``account``. Elsewhere it is the Secret Service's item of ``schema`` and
        ``attributes``. There ``location`` is an empty file that is touched at each change. What is
        not given is as in msal-extensions: the SHA-256 of ``location`` as it stands. A leading
        ``~`` of the file is the home folder.

        ``prompt`` is how long the vault may ask the user; ``None`` forbids it. Nothing is opened
        yet: :meth:`reach` does that.
        """
    @staticmethod
    def sealed(
        name: str,
        *,
        folder: Optional[_Path] = None,
        login_session: bool = False,
        key_sources: Optional[Sequence[KeySource]] = None,
        prompt: Optional[float] = None,
        size_limit: Optional[int] = None,
        reach: bool = True,
    ) -> Store:
        """The sealed cache ``name``, in the user's data folder or in ``folder``.

        Reaches the source of its key unless ``reach`` is false, and creates nothing.
        """
    @property
    def location(self) -> str:
        """The file that is touched or replaced at each change, by its absolute path."""
    @property
    def is_encrypted(self) -> bool:
        """Whether the bytes are encrypted at rest."""
    @property
    def protection(self) -> str:
        """What protects the bytes, in words for users."""
    @property
    def guard(self) -> str:
        """Such as ``"Secret Service"``, ``"DPAPI"`` or a key source. Empty for plain text."""
    @property
    def lock_location(self) -> str:
        """The lock file that every writer takes."""
    def prepare(self, intent: str = "read") -> None:
        """Does everything that may prompt or take long, before a lock is taken.

        ``intent`` is ``"read"``, ``"verify"`` or ``"write"``. The last two create the folder.
        """
    def reach(self) -> None:
        """Proves that the vault answers and is unlocked, and that the folders above are safe.

        Nothing is written, not even an item for the test. A locked vault is ``PersistenceLocked``,
        a missing one ``PersistenceUnavailable``.
        """
    def load(self) -> Optional[bytes]:
        """What is kept; ``None`` if nothing. Without the lock a part may be found.

        It prepares, so it may prompt if that is allowed.
        """
    def load_stamped(self) -> Optional[Tuple[bytes, Stamp]]:
        """What :meth:`load` returns, with a stamp from before it was read."""
    def save(self, content: bytes, guard: Optional[LockGuard] = None) -> Stamp:
        """Replaces what is kept, durably, and returns its stamp.

        Takes no lock; pass the guard that you hold, so that the lock outlives a vault's late write.
        A sealed cache takes its own lock here.
        """
    def delete(self, guard: Optional[LockGuard] = None) -> None:
        """Removes what is kept, with the file. Succeeds if nothing is."""
    def begin(self, *, lock: Optional[Lock] = None, timeout: float = 60.0) -> Transaction:
        """Prepares, takes the store's lock or ``lock``, and loads."""
    def stamp(self) -> Optional[Stamp]:
        """A cheap mark of what is kept now; ``None`` if nothing is. The vault is not asked."""
    def time_last_modified(self) -> float:
        """When the file at :attr:`location` was last modified, in seconds since 1970.

        Raises ``PersistenceNotFound`` if there is none.
        """
    def cache(self) -> Cache:
        """The same store as a token cache, for example for its lease."""

@final
class Transaction:
    """A change of a store: the lock is held, and :attr:`content` is what was found under it.

    A context manager releases the lock at its end. What was not committed is not saved. It belongs
    to the thread and the process that began it.
    """

    @property
    def content(self) -> Optional[bytes]:
        """What the store holds; ``None`` if nothing."""
    @property
    def stamp(self) -> Optional[Stamp]:
        """The stamp of the content."""
    def commit(self, content: bytes) -> Stamp:
        """Replaces the content, durably, and keeps the lock. It may be called again.

        Raises ``LockError`` and writes nothing if somebody took the lock away, and in a forked
        child.
        """
    def delete(self) -> None:
        """Removes the content, and keeps the lock."""
    def is_intact(self) -> bool:
        """Whether the lock still excludes others."""
    def release(self) -> None:
        """Releases the lock. Does nothing if it was released."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

def sign_out(
    text: bytes,
    *,
    home_account_id: str,
    environment: Optional[str] = None,
    client_id: Optional[str] = None,
) -> Tuple[bytes, int]:
    """Signs an account out in the text of a cache: the new text, and how many entries it lost.

    ``client_id`` is the client to sign out of; ``None`` means every client. Everything that this
    package does not know stays. If nothing is removed, the text comes back as it was.
    """

@final
class Account:
    """A user or another identity that is signed in."""

    @property
    def home_account_id(self) -> str:
        """Identifies the account in all tenants."""
    @property
    def environment(self) -> str:
        """The host of the authority."""
    @property
    def username(self) -> str:
        """The user name; empty if it is not known."""
    @property
    def realm(self) -> Optional[str]:
        """The tenant."""
    @property
    def local_account_id(self) -> Optional[str]:
        """The id in the tenant."""
    @property
    def issuer(self) -> Optional[str]:
        """The issuer, outside Microsoft's clouds."""
    @property
    def authority(self) -> Optional[str]:
        """The address of the authority, if it is known."""
    @property
    def authority_type(self) -> str:
        """What kind of service issued it, as MSAL names it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class AccessToken:
    """An access token. ``repr`` does not show it."""

    @property
    def secret(self) -> str:
        """The token itself."""
    @property
    def expires_on(self) -> int:
        """When it expires, in seconds since 1970."""
    @property
    def has_no_expiry(self) -> bool:
        """Whether the provider named no expiry."""
    @property
    def is_aging(self) -> bool:
        """Whether the provider wants it renewed, although it is still valid."""
    @property
    def refresh_on(self) -> Optional[int]:
        """From when the provider wants it renewed, in seconds since 1970."""
    @property
    def scopes(self) -> List[str]:
        """The scopes that it was issued for."""
    @property
    def token_type(self) -> str:
        """How it is sent, such as ``"Bearer"``."""
    @property
    def home_account_id(self) -> Optional[str]:
        """Whose it is."""
    @property
    def account(self) -> Optional[Account]:
        """The account, if the cache knows it."""
    @property
    def is_from_cache(self) -> bool:
        """Whether it was in the cache, and not just issued by the provider."""
    @property
    def is_stored(self) -> bool:
        """Whether it is stored."""
    @property
    def unstored_because(self) -> Optional[Exception]:
        """The error that kept it from being stored. It is valid for this run."""

@final
class TokenRequest:
    """What an access token is wanted for."""

    def __new__(
        cls,
        client_id: str,
        authority: str,
        scopes: Sequence[str] = (),
        *,
        account: Union[Account, str, None] = None,
        claims: Optional[str] = None,
        client_capabilities: Optional[Sequence[str]] = None,
        resource: Optional[str] = None,
        key_id: Optional[str] = None,
        data: Optional[Sequence[Tuple[str, str]]] = None,
        margin: Optional[float] = None,
        instead_of: Optional[AccessToken] = None,
        app_only: bool = False,
    ) -> Self:
        """``account`` is an :class:`Account` or a home account id.

        A token must stay valid for ``margin`` seconds. ``instead_of`` is one that an API refused.
        """
    @property
    def client_id(self) -> str:
        """The client id."""
    @property
    def authority(self) -> str:
        """The authority, as it was given."""
    @property
    def scopes(self) -> List[str]:
        """The scopes, each once."""
    @property
    def home_account_id(self) -> Optional[str]:
        """The home account id of the account that is meant, if one is."""

@final
class Spend:
    """One request to a token endpoint: a form for an HTTP POST, and the time that it may take."""

    @property
    def form(self) -> List[Tuple[str, str]]:
        """The names and values, in their order, to be sent urlencoded."""
    @property
    def grant_type(self) -> str:
        """The ``grant_type``."""
    @property
    def client_id(self) -> str:
        """The client id."""
    @property
    def authority(self) -> str:
        """The authority of the request, as it was given."""
    @property
    def scope(self) -> Optional[str]:
        """The scopes that the form asks for, separated by spaces."""
    @property
    def refresh_token(self) -> Optional[str]:
        """The refresh token that is spent."""
    @property
    def timeout(self) -> float:
        """The seconds that are left, for the timeout of an HTTP client."""
    @property
    def attempt(self) -> int:
        """Which request for the same token this is; the first is 1."""

@final
class RefreshLease:
    """The right to spend the refresh token of a request, until :meth:`release`.

    Among all threads and processes that use the store, one has it at a time.
    """

    def is_intact(self) -> bool:
        """Whether it still excludes others. Ask right before a refresh token is spent."""
    def release(self) -> None:
        """Gives the right up. Does nothing if it was given up."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

@final
class TokenCache:
    """A token cache inside a transaction. It is of no use afterwards."""

    def accounts(self) -> List[Account]:
        """The accounts that are signed in."""
    def owners(self) -> List[Account]:
        """The accounts, and those of which only tokens are left."""
    def find_access_token(self, request: TokenRequest) -> Optional[AccessToken]:
        """The valid access token for a request, if there is one."""
    def add_response(self, request: TokenRequest, response: _Json) -> AccessToken:
        """Stores the provider's JSON response to a request, and returns its access token."""
    def sign_out(self, account: Account, client_id: Optional[str] = None) -> int:
        """Signs an account out of one client, or of every client: the number of removed entries."""
    def sign_out_without_account(self, client_id: Optional[str] = None) -> int:
        """Removes the tokens without an account, of one client or of every client."""
    def remove_expired(self) -> int:
        """Removes expired access tokens, and returns their number."""
    def merge(self, json: _Json) -> None:
        """Merges another cache, given as JSON."""
    def to_json(self) -> bytes:
        """The cache as JSON in the MSAL unified schema. It holds every token."""

@final
class Cache:
    """A token cache that is stored, and shared with every process that opens the same store."""

    @staticmethod
    def in_memory() -> Cache:
        """A cache in memory only."""
    def with_lock_timeout(self, timeout: float) -> Cache:
        """The same cache with another limit for waits for other processes. It is 60 s."""
    def find_access_token(self, request: TokenRequest) -> Optional[AccessToken]:
        """The access token for a request, if a stored one is valid and stays valid for a while."""
    def acquire_token_silent(
        self,
        request: TokenRequest,
        exchange: Callable[[Spend], _Reply],
        *,
        revoke: Optional[Callable[[str], Any]] = None,
        wait: float = 60.0,
        exchange_timeout: float = 30.0,
        allow_unsaved: bool = False,
    ) -> Optional[AccessToken]:
        """A cached token, or one that ``exchange`` gets for the refresh token. ``None``: sign in.

        ``exchange`` sends ``spend.form`` as an HTTP POST and returns the status, the body and, if
        there was one, the ``Retry-After`` header. An exception means that there is no response. A
        ``ProviderUnreachable``, ``ConnectionRefusedError`` or ``socket.gaierror`` says that nothing
        was sent; any other leaves that open.
        """
    def acquire_token_for_client(
        self,
        request: TokenRequest,
        exchange: Callable[[Spend], _Reply],
        *,
        wait: float = 60.0,
        exchange_timeout: float = 30.0,
        allow_unsaved: bool = False,
    ) -> Optional[AccessToken]:
        """A token of the application itself. ``exchange`` adds the client's credentials."""
    def add_response(self, request: TokenRequest, response: _Json) -> AccessToken:
        """Stores the provider's JSON response to a request, and returns its access token.

        A token that could not be stored is returned, too: see ``unstored_because``.
        """
    def accounts(self) -> List[Account]:
        """The accounts that are signed in."""
    def accounts_of(self, authority: str) -> List[Account]:
        """The accounts of an authority."""
    def accounts_named(self, name: str) -> List[Account]:
        """The accounts that a name may mean."""
    def sign_out(self, account: Account, client_id: Optional[str] = None) -> int:
        """Signs an account out of one client, or of every client: the number of removed entries."""
    def sign_out_with(
        self, account: Account, client_id: Optional[str], revoke: Callable[[str], Any]
    ) -> Tuple[int, List[bool]]:
        """Signs out, and calls ``revoke`` with each refresh token that nobody needs any more.

        Returns the number of removed entries, and whether each call returned.
        """
    def transaction(self, change: Callable[[TokenCache], _T]) -> _T:
        """Reads the newest state, lets ``change`` modify it, and saves all of it or nothing.

        ``change`` may run more than once. If it raises, nothing is changed.
        """
    def replace_with(self, change: Callable[[Optional[bytes]], Optional[_Json]]) -> None:
        """Replaces the text of the cache with what ``change`` returns for it, all or nothing.

        ``change`` may run more than once. The text must be a cache in the MSAL unified schema.
        """
    def to_json(self) -> bytes:
        """The cache as JSON in the MSAL unified schema. It holds every token."""
    def refresh_lease(self, request: TokenRequest, *, wait: float = 60.0) -> RefreshLease:
        """Waits for the right to spend the refresh token of a request.

        Raises ``RefreshInProgress`` after ``wait`` seconds.
        """
    def settle(self, timeout: float = 30.0) -> None:
        """Waits until the renewals that this process has begun have ended, and are saved."""
    def prepare(self) -> str:
        """Proves that a sign-in can be stored, before a user signs in. Returns the protection."""
    def verify(self) -> str:
        """Proves that the cache can be read and written here and now. Returns the protection."""
    @property
    def protection(self) -> str:
        """What protects the stored bytes, in words for users."""
    @property
    def is_encrypted(self) -> bool:
        """Whether bytes at rest are encrypted."""
    @property
    def path(self) -> Optional[str]:
        """Where the cache is, if it is in a file or folder."""
    def clear(self) -> None:
        """Removes the cache and its key. An absent cache is not an error."""
    def reset(self) -> None:
        """Removes the cache even if it cannot be read."""
    def quarantine(self) -> Optional[str]:
        """Renames the cache to another name in its folder, and returns that name."""
