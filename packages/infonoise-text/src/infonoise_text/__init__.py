"""Diffusion models of language as bitstreams, on top of infonoise_core."""

__version__ = "0.1.0"
