"""A denoiser of bits in blocks, each behind the clean tokens of those before it."""

from typing import cast

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_text.models.blocks import Context
from infonoise_text.models.denoiser import BitDenoiser, read
from infonoise_text.models.tuples import TupleTransformer


class Behind(BitDenoiser):
    """A BitDenoiser of one block, x (n, block, m), behind clean tokens that were read once.

    Args:
        context: Of those tokens.
        start: How many they are.
    """

    def __init__(self, network: TupleTransformer, context: Context, start: int) -> None:
        super().__init__(network)
        self._context, self._start = context, start

    @classmethod
    def first(cls, denoiser: BitDenoiser, n: int) -> "Behind":
        """That of the first block of n windows, (n, block, m), behind nothing."""
        network = denoiser.network
        if not isinstance(network, TupleTransformer) or not denoiser.block:
            raise InputError("this network has no blocks to write in")
        nothing = torch.zeros(n, 0, denoiser.bits, device=network.tuples.device)
        return cls(network, read(network, nothing), 0)

    def then(self, clean: Tensor) -> "Behind":
        """The denoiser of the next block, once this one is `clean` (n, block, m)."""
        network = cast(TupleTransformer, self.network)
        later = read(network, clean, self._context, self._start)
        context = [kept.then(new) for kept, new in zip(self._context, later, strict=True)]
        return Behind(network, context, self._start + clean.shape[1])

    def at_once(self, x: Tensor) -> int:
        return len(x)

    def _alone(self, before: Tensor | None) -> bool:
        return self.block == 1

    def _said(
        self, network: TupleTransformer, inputs: tuple[Tensor, ...], before: Tensor | None
    ) -> Tensor:
        said: Tensor = network(*inputs, self._context, self._start)
        return said
