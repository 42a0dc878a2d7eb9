"""New sequences from trained models."""
