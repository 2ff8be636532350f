"""Runs a program that imports msal-extensions, with this package in its place.

Usage: python -m tokenkeep.run [-m MODULE | FILE] [ARGUMENT...]
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import List, Optional, Sequence

from .msal_extensions import install

__all__ = ["main"]


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Runs what ``arguments`` name, by default those of this process."""
    words: List[str] = list(sys.argv[1:] if arguments is None else arguments)
    is_module = words[:1] == ["-m"]
    if is_module:
        del words[0]
    if not words or words[0].startswith("-"):
        sys.exit(__doc__)
    install()
    sys.argv = words
    if is_module:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        # As Python itself does for a file.
        sys.path[0] = os.path.dirname(os.path.abspath(words[0]))
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main()
