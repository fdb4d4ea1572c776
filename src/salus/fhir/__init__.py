"""The record's language, pure and without I/O: JSON, partial dates, quantities, codes, typed read accessors."""
