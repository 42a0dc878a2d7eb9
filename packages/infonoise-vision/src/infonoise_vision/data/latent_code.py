"""How latents were made of images."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LatentCode:
    """How latents were made of images: (z - shift) * scale of an autoencoder's z.

    Attributes:
        digest: Of the autoencoder.
        grey: Whether the images are grey, and the autoencoder is for colours.
    """

    digest: str
    shift: float
    scale: float
    grey: bool

    def raw(self, x0: Tensor) -> Tensor:
        """The autoencoder's z (n, ...) of latents."""
        return x0 / self.scale + self.shift
