"""Runs of pairs: what they answer, and how it is measured."""
