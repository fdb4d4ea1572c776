"""The one family of errors: what was wrong, where, and what to do about it.

A message names a place (path, line, byte offset, JSON path) and a remedy. It never holds patient data.
"""

from __future__ import annotations


class SalusError(Exception):
    """Any failure that salus explains to its user.

    Parameters: ``what`` went wrong; ``where`` (path, line, offset); ``remedy``, the next thing to do.
    """

    exit_status = 1

    def __init__(self, what: str, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what, where, remedy)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.remedy})" if self.remedy else ""
        return f"{place}{self.what}{advice}"

    def at(self, prefix: str) -> SalusError:
        """The same error with ``prefix`` (a path, say) put in front of its place."""
        place = f"{prefix}: {self.where}" if self.where else prefix
        return type(self)(self.what, place, self.remedy)


class InputError(SalusError):
    """Something from outside could not be read, or is not what it claims to be."""


class UnitError(InputError):
    """A number came without a unit, or its unit cannot be converted to the one needed."""


class AccessError(SalusError):
    """The gate said no. What is denied and what is absent get the same words."""


class IntegrityError(SalusError):
    """Stored bytes, log entries or index rows are not what they were when written."""


class StoreError(SalusError):
    """The store cannot be opened or written (missing, locked, disk full, newer than this salus)."""


class ConfigurationError(SalusError):
    """A setting or a key file is missing or wrong."""


class MethodError(SalusError):
    """A method broke its contract (unknown code, cycle, unpinned package)."""
