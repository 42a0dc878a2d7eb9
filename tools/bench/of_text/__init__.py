"""Sections of the bench on networks of text."""
