"""The virtual health assistant in an open house."""
