"""Parts of the benchmark of DNA."""
