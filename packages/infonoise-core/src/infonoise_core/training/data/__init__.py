"""The order of examples, and where they come from."""
