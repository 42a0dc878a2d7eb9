"""Which noise levels are trained on."""
