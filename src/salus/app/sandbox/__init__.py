"""Strangers' methods, each run in a process of its own that reaches nothing of salus."""
