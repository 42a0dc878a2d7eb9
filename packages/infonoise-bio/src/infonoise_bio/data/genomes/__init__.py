"""Genomes, of which only what is asked for is in memory."""
