"""Diffusion models of DNA sequences, on top of infonoise_core."""

__version__ = "0.1.0"
