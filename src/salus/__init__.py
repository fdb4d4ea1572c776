"""salus: everything known about one person in one record, and one personal care plan drawn from it."""

__version__ = "0.1.0"
