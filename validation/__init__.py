"""Scores salus on folders of outside reference data: ``python -m validation.<department>.<check> --data DIR``."""
