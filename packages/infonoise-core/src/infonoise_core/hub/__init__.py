"""Models and profiles as folders that can be shared."""
