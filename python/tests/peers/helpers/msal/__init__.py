"""What msal's tests import from their package."""

import unittest


class Oauth2TestCase(unittest.TestCase):
    """Tests with a real provider derive from this; none of them is run here."""
