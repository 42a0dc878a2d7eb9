"""Parts of the text benchmark."""
