"""How a program or a library finds this package in the place of msal-extensions."""

import inspect
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "code",
    [
        "import msal_extensions; assert msal_extensions is ours",
        "from msal_extensions import *; assert PersistedTokenCache is ours.PersistedTokenCache",
        "import msal_extensions.persistence as p; assert p is ours.persistence",
        "from msal_extensions.filelock import CrossPlatLock; "
        "from msal_extensions.cache_lock import LockError; "
        "from msal_extensions.persistence import PersistenceNotFound; "
        "import msal_extensions.osx, msal_extensions.windows, msal_extensions.libsecret; "
        "assert msal_extensions.osx is ours.osx; "
        "assert ours.persistence.__spec__.name == 'tokenkeep.msal_extensions.persistence'",
        "import msal_extensions.token_cache; ours.install()",
        "import pytest; pytest.raises(ModuleNotFoundError, __import__, 'msal_extensions.nothing')",
        "from unittest import mock\n"
        "with mock.patch('msal_extensions.LibsecretPersistence') as patched:\n"
        "    import msal_extensions\n"
        "    assert msal_extensions.LibsecretPersistence is patched\n"
        "assert ours.LibsecretPersistence is ours.persistence.LibsecretPersistence",
    ],
)
def test_the_alias_is_this_package(code):
    prelude = "import tokenkeep.msal_extensions as ours; ours.install()\n"
    subprocess.run([sys.executable, "-c", prelude + code], check=True)


def test_the_alias_comes_too_late_after_an_import_of_the_original():
    code = """
    import sys, tokenkeep.msal_extensions as ours
    original = sys.modules["msal_extensions"]
    try:
        ours.install()
    except RuntimeError as error:
        assert "install()" in str(error)
        assert sys.modules["msal_extensions"] is original
    else:
        sys.exit("it did not raise")
    """
    program = "import msal_extensions" + inspect.cleandoc("\n" + code).join(["\n", ""])
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_program_runs_unchanged_under_the_alias(tmp_path):
    package = tmp_path / "tool"
    package.mkdir()
    code = """
import sys
from msal_extensions import PersistedTokenCache
print(PersistedTokenCache.__module__, __name__, sys.argv[1:])
"""
    (package / "__main__.py").write_text(code)
    expected = "tokenkeep.msal_extensions.token_cache __main__ ['-x', 'y']\n"
    for words in (["-m", "tool"], [str(package / "__main__.py")]):
        program = [sys.executable, "-m", "tokenkeep.run", *words, "-x", "y"]
        output = subprocess.run(
            program, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True
        )
        assert output.stdout == expected
    usage = [sys.executable, "-m", "tokenkeep.run"]
    assert subprocess.run(usage, stderr=subprocess.DEVNULL).returncode == 1


def test_the_package_is_imported_without_msal():
    code = (
        "import sys, tokenkeep.msal_extensions as e; e.install(); e.FilePersistence; "
        "assert 'msal' not in sys.modules; e.PersistedTokenCache; assert 'msal' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
