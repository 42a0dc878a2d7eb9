"""How good a model of images is."""
