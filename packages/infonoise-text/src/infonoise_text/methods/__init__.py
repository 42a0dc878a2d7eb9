"""What is trained on text: diffusion of bits and baselines."""
