"""The denoiser of clusters and tokens, each at a noise level of its own."""

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_text.codes.clusters import per_bit
from infonoise_text.models.config import TrunkConfig, TupleConfig
from infonoise_text.models.denoiser import BitDenoiser, make_network
from infonoise_text.models.transformer import BitTransformer
from infonoise_text.models.tuples import TupleTransformer


class ClusterDenoiser(BitDenoiser):
    """A BitDenoiser whose bits are of two kinds and whose network sees the level of each.

    Args:
        widths: Bits of a token's cluster and of the token itself. sigma: (n, 2), the levels of
            clusters and tokens, or (n,) for the same of both.
    """

    def __init__(self, network: BitTransformer | TupleTransformer, widths: tuple[int, int]) -> None:
        super().__init__(network)
        self.widths = widths

    def forward(
        self,
        x: Tensor,
        sigma: Tensor,
        previous: Tensor | None = None,
        known: Tensor | None = None,
        clean: Tensor | None = None,
        logits: bool = False,
        joint: bool = False,
        before: Tensor | None = None,
    ) -> Tensor:
        """x (n, L, bits), sigma (n, 2) or (n,) -> D (n, L, bits), or as `BitDenoiser` says."""
        both = sigma[:, None].expand(-1, 2) if sigma.dim() == 1 else sigma
        return super().forward(x, both, previous, known, clean, logits, joint, before)

    def _per_bit(self, sigma: Tensor) -> Tensor:
        return per_bit(sigma, self.widths)

    def _check_levels(self, x: Tensor, sigma: Tensor) -> None:
        if sigma.shape != (len(x), 2):
            raise InputError(
                f"sigma of shape {tuple(sigma.shape)} for x of shape {tuple(x.shape)}: give two"
                " noise levels per example, of clusters and tokens"
            )


def make_cluster_denoiser(
    widths: tuple[int, int], trunk: TrunkConfig, seed: int, tuples: TupleConfig | None = None
) -> ClusterDenoiser:
    """A freshly initialised denoiser, the same for the same seed.

    Args:
        widths: Bits of a token's cluster and of the token itself.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ClusterDenoiser(make_network(sum(widths), trunk, tuples, levels=2), widths)
