"""Taking sources into the record."""
