"""Benchmarks of the trust department."""
