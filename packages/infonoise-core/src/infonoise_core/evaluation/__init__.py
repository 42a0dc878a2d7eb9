"""Held-out measures, the same for every domain."""
