"""Pure readers and writers, one file a format: bytes in, plain data classes out."""
