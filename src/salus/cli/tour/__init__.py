"""``salus tour``: every department at work on the example patients, one module a slice."""
