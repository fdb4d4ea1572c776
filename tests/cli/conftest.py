"""The town for every test of the command line."""

from tests.cli.town import empty, town

__all__ = ["empty", "town"]
