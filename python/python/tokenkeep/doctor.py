"""Which key sources work here, and how to fix those that do not."""

from __future__ import annotations

import sys
from typing import List, NamedTuple, Optional

from . import _native
from .errors import Error

__all__ = ["Check", "doctor"]


class Check(NamedTuple):
    """What one key source says."""

    source: str
    """The kind of the source, such as ``"os_vault"``."""
    error: Optional[Error]
    """Why it does not work, with its ``next_step``. ``None`` if it works."""

    @property
    def works(self) -> bool:
        """Whether a cache can have its key there."""
        return self.error is None


def doctor(name: str = "doctor", *, prompt: Optional[float] = None) -> List[Check]:
    """Tries each key source of this system on data of its own. No cache is touched.

    In a vault, an item makes the round trip and is removed again. ``prompt`` is how many seconds
    the vault may ask the user something; ``None`` forbids it.
    """
    sources = [_native.KeySource.os_vault()]
    if sys.platform == "win32":
        sources.append(_native.KeySource.dpapi())
    if sys.platform.startswith("linux"):
        sources.append(_native.KeySource.kernel_keyring())
    checks: List[Check] = []
    for source in sources:
        try:
            source.verify(name, prompt=prompt)
        except Error as error:
            checks.append(Check(source.name, error))
        else:
            checks.append(Check(source.name, None))
    return checks
