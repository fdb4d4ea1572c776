"""The user's own releases: one reader a format, and the writer of the pack that is laid over the shipped tables."""
