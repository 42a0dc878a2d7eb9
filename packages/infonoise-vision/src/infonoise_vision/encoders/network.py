"""The encoder: a noisy image and its level -> the Gaussian of its latents."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_vision.encoders.gaussian import Posterior
from infonoise_vision.models.blocks import NoiseEmbedding, ResidualBlock, group_norm

# Channels of its levels, each of half the side; the last is read as one vector.
_WIDTHS = (32, 64, 128)
# Of the last layer: at zero everything stays collapsed.
_STD = 0.15
_EVIDENCE = 4.0


class Encoder(nn.Module):
    """q(z|y, sigma), the prior where noise has destroyed the image; smooth, as it is derived by y.

    What an image says falls as 1 / (sigma^2 + sigma_data^2) in the precision.

    Args:
        shape: (c, h, w) of an image.
        latent: m, how many numbers a latent has.
        rank: Of the part of the precision that is not diagonal, 0 for none.
        sigma_data: Standard deviation of the images.
        unit: What sigma is counted in, as EDM's.
    """

    seen: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        latent: int = 24,
        rank: int = 4,
        sigma_data: float = 0.5,
        unit: float = 1.0,
    ) -> None:
        super().__init__()
        self.shape, self.latent, self.rank = shape, latent, rank
        self.sigma_data, self.unit = sigma_data, unit
        self.embedding = NoiseEmbedding(128, 0)
        self.stem = nn.Conv2d(shape[0], _WIDTHS[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        channels, side = _WIDTHS[0], min(shape[1:])
        for i, width in enumerate(_WIDTHS):
            down = i > 0 and side >= 4
            self.blocks.append(ResidualBlock(channels, width, 128, down=down))
            channels, side = width, side // 2 if down else side
        self.norm = group_norm(channels)
        with torch.no_grad():
            size = self._features(torch.zeros(1, *shape), torch.zeros(1)).shape[1]
        self.hidden = nn.Linear(size, 256)
        self.out = nn.Linear(256, (2 + rank) * latent)
        nn.init.normal_(self.out.weight, std=_STD / 256**0.5)
        nn.init.zeros_(self.out.bias)
        # Examples of training so far, by which the weight of the code's cost rises.
        self.register_buffer("seen", torch.zeros((), dtype=torch.float64))

    def forward(self, y: Tensor, sigma: Tensor) -> Posterior:
        """Noisy images y (n, c, h, w) at levels sigma (n,)."""
        s = sigma.to(torch.float32)
        total = s.square() + self.sigma_data**2
        scaled = y / total.sqrt().reshape(-1, 1, 1, 1)
        features = self._features(scaled, (s / self.unit).log() / 4)
        found = self.out(functional.silu(self.hidden(features)))
        n, m = len(y), self.latent
        target, rho, u = found.split([m, m, m * self.rank], 1)
        # 1 on a clean image.
        clear = (self.sigma_data**2 / total)[:, None]
        spread = clear.sqrt()[..., None] * u.reshape(n, m, self.rank)
        return Posterior(2 * target, _EVIDENCE * clear * functional.softplus(rho), spread)

    def _features(self, x: Tensor, c_noise: Tensor) -> Tensor:
        embedding = self.embedding(c_noise)
        h = self.stem(x)
        for block in self.blocks:
            h = block(h, embedding)
        flat: Tensor = functional.silu(self.norm(h)).flatten(1)
        return flat
