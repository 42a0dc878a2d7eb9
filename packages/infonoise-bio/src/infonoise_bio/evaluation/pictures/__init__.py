"""Sets of sequences, drawn."""
