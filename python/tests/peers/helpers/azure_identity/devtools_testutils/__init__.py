"""The names of Azure's recorder that the tests of caches and credentials import.

Nothing is recorded here, and no test is live.
"""

import pytest


def _nothing(*_arguments, **_options):
    return None


add_general_regex_sanitizer = _nothing
add_body_key_sanitizer = _nothing
add_header_regex_sanitizer = _nothing
add_remove_header_sanitizer = _nothing
set_custom_default_matcher = _nothing


def is_live():
    return False


def recorded_by_proxy(test):
    return pytest.mark.skip(reason="it needs a recording")(test)


class AzureRecordedTestCase:
    """What a recorded test derives from."""


@pytest.fixture(scope="session")
def test_proxy():
    return None
