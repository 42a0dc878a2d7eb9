"""Networks for bits and the denoiser made of them."""
