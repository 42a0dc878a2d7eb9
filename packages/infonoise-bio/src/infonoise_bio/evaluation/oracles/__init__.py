"""The user's own models as judges of sequences."""
