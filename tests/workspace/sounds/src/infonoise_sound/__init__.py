"""The smallest domain: sums of sines as arrays of 16 numbers."""

__version__ = "0.1.0"
