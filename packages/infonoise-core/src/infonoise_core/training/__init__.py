"""One training loop for all domains: `pip install infonoise-core[train]`."""
