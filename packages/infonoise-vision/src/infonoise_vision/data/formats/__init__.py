"""One file format of images a module."""
