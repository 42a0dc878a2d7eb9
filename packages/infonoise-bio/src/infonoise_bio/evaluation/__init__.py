"""How good a model of sequences is."""
