"""From files to sequences."""
