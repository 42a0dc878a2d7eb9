"""An encoder on a frozen denoiser beside a denoiser that is told latents and a beta-VAE.

python tools/bench/image_encoders.py

About 8 minutes of one core, on digits that come with scikit-learn.
"""

from of_images import encoders
from suite import Suite

SUITE = Suite("image-encoders", "Latents of images", {"digits": encoders.section})

if __name__ == "__main__":
    SUITE.main()
