"""Folders that are ours: marked, locked, cleared, and known among data."""
