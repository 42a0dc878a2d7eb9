"""From files to images."""
