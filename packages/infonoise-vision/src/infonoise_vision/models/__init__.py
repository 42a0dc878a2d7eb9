"""Networks for images and what they are conditioned on."""
