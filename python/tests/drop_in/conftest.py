"""What the tests of the drop-in share."""

import sys

import pytest

from tokenkeep.msal_extensions import FilePersistence, PersistedTokenCache


@pytest.fixture
def location(tmp_path):
    """A place where nothing is yet."""
    return str(tmp_path / "place" / "cache.bin")


@pytest.fixture
def needs_linux():
    if not sys.platform.startswith("linux"):
        pytest.skip("the Secret Service is Linux's")


@pytest.fixture
def cache(location):
    """A cache in plain text."""
    return PersistedTokenCache(FilePersistence(location))
