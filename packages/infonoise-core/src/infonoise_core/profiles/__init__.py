"""Where noise destroys information: measured, fitted and read."""
