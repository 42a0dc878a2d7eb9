"""Sections of the bench on models that other libraries trained."""
