"""Throughput and memory, beside peers where they are installed: ``python -m benchmarks.<department>.<name>``."""
