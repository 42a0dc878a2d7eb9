"""Closed forms: exact denoisers, and profiles known before training."""
