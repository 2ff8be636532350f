"""Lets msal-extensions take the lock that it has as installed.

With portalocker it enters a lock that is held for longer than 5 s, and its own test of that fails
now and then.
"""

import sys

sys.modules["portalocker"] = None
