"""How noise is added, what a denoiser is, and how levels are weighed."""
