"""Sequences towards a goal: what scores them, and a sampler of the law tilted by the score."""
