"""Experimental: latents of images, by an encoder that is learned beside a frozen denoiser."""
