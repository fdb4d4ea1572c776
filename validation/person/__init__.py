"""Scoring of what is understood of a person's record."""
