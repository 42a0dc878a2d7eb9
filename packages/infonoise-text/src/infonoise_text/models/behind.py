"""The denoiser of bits in blocks, each behind the clean tokens of those before it."""

from typing import cast

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_text.models.blocks import Context
from infonoise_text.models.config import TrunkConfig, TupleConfig
from infonoise_text.models.denoiser import CLIP, BitDenoiser
from infonoise_text.models.tuples import TupleTransformer

# Log of the noise level that stands for none: what the network hears with clean tokens.
_CLEAN = -4.0


class BlockDenoiser(BitDenoiser):
    """A BitDenoiser of x (n, L, m) in blocks, each of which sees `clean` (n, L, m) before it.

    So `clean` is always needed; `known`, as there, are tokens that are given in their own block.
    """

    network: TupleTransformer

    def __init__(self, network: TupleTransformer) -> None:
        super().__init__(network)
        self.alone = network.trunk.block == 1

    @property
    def block(self) -> int:
        """Tokens of a block."""
        return self.network.trunk.block

    def first(self, n: int) -> "Behind":
        """The denoiser of the first block of n windows, (n, block, m), behind nothing."""
        nothing = torch.zeros(n, 0, self.bits, device=self.network.tuples.device)
        return Behind(self.network, _read(self.network, nothing), 0)

    def _said(
        self, network: TupleTransformer, inputs: tuple[Tensor, ...], clean: Tensor | None
    ) -> Tensor:
        if clean is None:
            raise InputError(
                f"a network of blocks of {self.block} tokens and no `clean`: give the bits"
                " of all tokens, of which each block sees those before it"
            )
        said: Tensor = network(*inputs, _read(network, clean))
        return said


class Behind(BitDenoiser):
    """A BitDenoiser of one block, x (n, block, m), behind clean tokens that were read once.

    Args:
        context: Of those tokens.
        start: How many they are.
    """

    def __init__(self, network: TupleTransformer, context: Context, start: int) -> None:
        super().__init__(network)
        self.alone = network.trunk.block == 1
        self._context, self._start = context, start

    def then(self, clean: Tensor) -> "Behind":
        """The denoiser of the next block, once this one is `clean` (n, block, m)."""
        network = cast(TupleTransformer, self.network)
        later = _read(network, clean, self._context, self._start)
        context = [kept.then(new) for kept, new in zip(self._context, later, strict=True)]
        return Behind(network, context, self._start + clean.shape[1])

    def _said(
        self, network: TupleTransformer, inputs: tuple[Tensor, ...], clean: Tensor | None
    ) -> Tensor:
        said: Tensor = network(*inputs, self._context, self._start)
        return said


def _read(
    network: TupleTransformer, clean: Tensor, context: Context | None = None, start: int = 0
) -> Context:
    sign = 2 * clean.to(torch.float32) - 1
    return network.read(sign, CLIP * sign, sign.new_full((len(sign),), _CLEAN), context, start)


def make_block_denoiser(
    bits: int,
    trunk: TrunkConfig,
    seed: int,
    tuples: TupleConfig | None = None,
    codes: Tensor | None = None,
) -> BlockDenoiser:
    """A freshly initialised denoiser of tokens of `bits` bits, the same for the same seed.

    Args:
        codes: (V, m) of the tokens, if these are answered and not groups of bits.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BlockDenoiser(TupleTransformer(bits, trunk, tuples, codes=codes))
