"""Benchmarks of the monitoring department."""
