"""New text from trained models."""
