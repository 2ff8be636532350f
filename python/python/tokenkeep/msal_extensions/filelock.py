"""The lock under the name that it has in msal-extensions as installed."""

from .cache_lock import CrossPlatLock, LockError

__all__ = ["CrossPlatLock", "LockError"]
