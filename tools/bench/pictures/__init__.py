"""The pictures that pages of results open with."""
