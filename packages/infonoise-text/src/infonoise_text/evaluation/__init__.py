"""How good a model of text is."""
