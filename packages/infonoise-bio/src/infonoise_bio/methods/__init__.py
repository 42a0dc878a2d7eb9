"""What is trained on sequences: diffusion and baselines."""
