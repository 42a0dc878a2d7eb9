"""Other models of text on the same trunk, for comparison at equal budget."""
