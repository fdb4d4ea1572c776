"""The command line. Thin: it parses, calls ``salus.app``, prints."""
