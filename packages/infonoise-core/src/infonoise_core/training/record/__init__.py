"""What a run has written, read again and checked."""
