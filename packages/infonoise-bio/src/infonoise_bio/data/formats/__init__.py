"""One file format of sequences a module."""
