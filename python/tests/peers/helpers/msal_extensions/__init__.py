"""The tests import their helpers as modules of a package."""
