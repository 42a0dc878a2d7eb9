"""Networks for sequences and the denoiser made of them."""
