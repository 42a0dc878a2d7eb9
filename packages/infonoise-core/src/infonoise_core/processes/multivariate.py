"""Examples whose parts have noise levels of their own, all of them functions of one sigma.

Such are details of images that are noised before their coarse forms (non-uniform diffusion;
Batzolis et al. 2022, arXiv 2207.09786). A denoiser along such a path says how; all others have one
level for all. By I-MMSE, part by part, information falls per unit log sigma by the sum over parts
of `(d log v / d log sigma) |x0 - D|^2 / v^2`, at a part's level v(sigma).
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

from infonoise_core.errors import InputError


@runtime_checkable
class Multivariate(Protocol):
    """What a denoiser of such examples has besides; sigma is (n,), of any part's path."""

    @property
    def uniform(self) -> bool:
        """Whether all parts have one level after all."""

    def shaped(self, noise: Tensor, sigma: Tensor) -> Tensor:
        """Unit noise (n, ...) with each part as large as its level is, in units of sigma."""

    def counted(self, error: Tensor, sigma: Tensor) -> Tensor:
        """The error of x0 (n, ...) as one whose square over sigma^2 is the rate of information."""


def shaped_noise(denoiser: object, noise: Tensor, sigma: Tensor) -> Tensor:
    """Noise (n, ...) that x0 + sigma noise is a state of this denoiser's path."""
    return denoiser.shaped(noise, sigma) if isinstance(denoiser, Multivariate) else noise


def counted_error(denoiser: object, error: Tensor, sigma: Tensor) -> Tensor:
    """The error of x0 (n, ...) whose square over sigma^2 is the rate on this denoiser's path."""
    return denoiser.counted(error, sigma) if isinstance(denoiser, Multivariate) else error


def refuse_paths(denoiser: object, what: str) -> None:
    """InputError where parts have levels of their own, for what is only known of one level."""
    if isinstance(denoiser, Multivariate) and not denoiser.uniform:
        raise InputError(
            f"{what}: parts of these examples have noise levels of their own, for which it is not"
            " known; give a run where all have one"
        )
