"""Lets `import msal_extensions` find this package."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any, Optional, Sequence

_ALIAS = "msal_extensions"
_PACKAGE = __name__.rpartition(".")[0]


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of this package under the names that they have in msal-extensions."""

    def find_spec(
        self,
        fullname: str,
        path: Optional[Sequence[str]],
        target: Optional[ModuleType] = None,
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if not fullname.startswith(_ALIAS + "."):
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Any:
        try:
            module = importlib.import_module(_PACKAGE + spec.name[len(_ALIAS) :])
            spec.loader_state = module.__spec__
            return module
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith(_PACKAGE):
                error.name = spec.name
            raise

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put the alias's specification in its place.
        own = module.__spec__
        module.__spec__ = own and own.loader_state


def install() -> None:
    """Makes this package what ``import msal_extensions`` finds in this process.

    Call it first: a module that has imported msal-extensions already keeps it. A second call does
    nothing. The files of msal-extensions are not touched, and it need not be installed. A process
    that is not forked, such as one of :mod:`multiprocessing` with the start method ``spawn``, has
    to call it, too.

    Raises:
        RuntimeError: If msal-extensions was imported before. Nothing is changed then.
    """
    package = sys.modules[_PACKAGE]
    present = sys.modules.get(_ALIAS)
    if present is package:
        return
    imported = [name for name in sys.modules if name.partition(".")[0] == _ALIAS]
    if imported:
        raise RuntimeError(
            f"{min(imported)} was imported before {_PACKAGE}.install(); "
            "call install() before anything imports msal_extensions"
        )
    sys.modules[_ALIAS] = package
    sys.meta_path.insert(0, _Finder())
