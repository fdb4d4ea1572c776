"""Genome files and what they say about medicines."""
