"""Sequences scored one by one, alleles against each other, and every position."""
