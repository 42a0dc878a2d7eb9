"""Tokens as bits."""
