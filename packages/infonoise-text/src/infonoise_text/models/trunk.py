"""The trunk of all networks of text: one position per token, with its own inputs and outputs each.

A plain transformer (rotary positions, Su et al., arXiv 2104.09864; SwiGLU, Shazeer, arXiv
2002.05202; blocks modulated by the noise level that start as the identity, Peebles & Xie, arXiv
2212.09748) with short convolutions, of whole windows or of blocks (`models.blocks`).
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_text.models.blocks import Context, Kept, Sight
from infonoise_text.models.config import TrunkConfig

_ROTARY_BASE = 10_000.0


class NoiseEmbedding(nn.Module):
    """log(sigma) (n,) -> (n, width): sinusoids at fixed frequencies, then two linear layers.

    Args:
        levels: More than one where several noise levels together say how noisy an example is;
            then log(sigma) is (n, levels).
    """

    frequencies: Tensor

    def __init__(self, width: int, levels: int = 1) -> None:
        super().__init__()
        # The slowest wave turns less than once between sigma 0.002 and 80, the fastest once per
        # 0.8 nats, less than the transition of a bit from certain to unknown takes.
        frequencies = torch.logspace(-3, 3, max(1, min(128, width // 2)), base=2.0)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.first = nn.Linear(2 * levels * len(frequencies), width)
        self.second = nn.Linear(width, width)

    def forward(self, log_sigma: Tensor) -> Tensor:
        """The angles in float32, whatever the weights are in."""
        angles = log_sigma.to(torch.float32)[..., None] * self.frequencies.to(torch.float32)
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1).flatten(1)
        hidden = functional.silu(self.first(waves.to(self.first.weight.dtype)))
        return functional.silu(self.second(hidden))


def rotary_table(
    length: int, channels: int, device: torch.device, start: int = 0
) -> tuple[Tensor, Tensor]:
    """Cosine and sine, (length, channels / 2) float32, of the rotary angles.

    Pair i of a head's channels is turned by position * base^(-2i/channels), positions counting from
    `start`.
    """
    pair = torch.arange(0, channels, 2, dtype=torch.float32, device=device) / channels
    position = torch.arange(start, start + length, dtype=torch.float32, device=device)
    angles = position[:, None] * _ROTARY_BASE**-pair
    return angles.cos(), angles.sin()


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """x (..., length, channels), its pairs (i, i + channels/2) turned by the angles of `table`."""
    cos, sin = table
    first, second = x.to(torch.float32).chunk(2, dim=-1)
    turned = torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
    return turned.to(x.dtype)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm without weights of x (n, L, e), then scale and shift by (n, 1, e) each."""
    return torch.addcmul(shift, functional.layer_norm(x, x.shape[-1:]), 1 + scale)


class Neighbours(nn.Module):
    """x (n, L, width) + the sum over near positions, each channel weighted by itself.

    A depthwise convolution over 2 reach + 1 positions: `reach` before, itself and as many behind,
    or in a causal trunk itself and 2 reach before; where all text stands in blocks, no more
    behind than a block has. Beyond the ends stands nothing.
    """

    def __init__(self, width: int, reach: int, *, causal: bool, block: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.2 * torch.randn(2 * reach + 1, width))
        later = min(reach, block - 1) if block else reach
        self._before = 2 * reach - (0 if causal else later)

    def forward(self, x: Tensor, sight: Sight | None = None, clean: Tensor | None = None) -> Tensor:
        """Of x's shape.

        Args:
            sight: In blocks, who sees whom.
            clean: (n, P, width) of clean tokens before them.
        """
        length, before = x.shape[1], self._before
        weight = self.weight.to(x.dtype)
        if sight is not None:
            out = x
            for place, weights in enumerate(weight):
                seen = sight.shifted(x, clean, place - before)
                out = out if seen is None else torch.addcmul(out, seen, weights)
            return out
        padded = functional.pad(x, (0, 0, before, len(weight) - 1 - before))
        for place, weights in enumerate(weight):
            x = torch.addcmul(x, padded[:, place : place + length], weights)
        return x


class Block(nn.Module):
    """Attention, then SwiGLU, each normalised and modulated before and gated after."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        width = config.width
        self.heads, self.causal = config.heads, config.causal
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.mixed = nn.Linear(width, width, bias=False)
        self.opened_up = nn.Linear(width, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, width, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.near: nn.ModuleList | None = None
        if config.reach:
            block = 0 if config.whole else config.block
            near = partial(Neighbours, width, config.reach, causal=config.causal, block=block)
            self.near = nn.ModuleList(near() for _ in range(2))

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        table: tuple[Tensor, Tensor],
        sight: Sight | None = None,
        kept: Kept | None = None,
        seen: Tensor | None = None,
    ) -> tuple[Tensor, Kept]:
        """x (n, L, width), modulation (n, 6 width) -> (n, L, width), and what is kept of x.

        Args:
            sight: In blocks, who sees whom.
            kept: Of clean tokens before them.
            seen: What attention sees, `sight.mask`.
        """
        first, second = modulation[:, None].chunk(2, dim=-1)
        shift, scale, gate = first.chunk(3, dim=-1)
        near = (None, None) if kept is None else kept.near
        before_attention = modulate(x, shift, scale)
        mixed = self._mixed(before_attention, 0, sight, near[0])
        attended, keys, values = self._attend(mixed, table, kept, seen)
        x = x + gate * self.dropout(attended)
        shift, scale, gate = second.chunk(3, dim=-1)
        before_swiglu = modulate(x, shift, scale)
        mixed = self._mixed(before_swiglu, 1, sight, near[1])
        out: Tensor = x + gate * self.dropout(self._transform(mixed))
        return out, Kept((before_attention, before_swiglu), keys, values)

    def _mixed(self, x: Tensor, place: int, sight: Sight | None, clean: Tensor | None) -> Tensor:
        """What is read of x before attention (`place` 0) and before SwiGLU (1)."""
        if self.near is None:
            return x
        mixed: Tensor = self.near[place](x, sight, clean)
        return mixed

    def _attend(
        self, x: Tensor, table: tuple[Tensor, Tensor], kept: Kept | None, seen: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What attention adds, and the keys and values of x."""
        n, length, width = x.shape
        qkv = self.qkv(x).reshape(n, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (n, heads, L, channels)
        q, k = rotate(q, table), rotate(k, table)
        keys = k if kept is None else torch.cat([kept.keys, k], 2)
        values = v if kept is None else torch.cat([kept.values, v], 2)
        attended = functional.scaled_dot_product_attention(
            q, keys, values, attn_mask=seen, is_causal=self.causal
        )
        out: Tensor = self.mixed(attended.transpose(1, 2).reshape(n, length, width))
        return out, k, v

    def _transform(self, x: Tensor) -> Tensor:
        opened, up = self.opened_up(x).chunk(2, dim=-1)
        out: Tensor = self.down(functional.silu(opened) * up)
        return out


class Trunk(nn.Module):
    """Blocks and a final norm: x (n, L, width), noise (n, width) -> (n, L, width).

    In the published form every block is the identity before training. With convolutions gates are
    open from the start: what follows the trunk is zero until it is trained, and behind closed gates
    as well the frequencies of tokens are learned long before what stands beside them is read.
    """

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        width = config.width
        self.channels, self.block = width // config.heads, config.block
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        modulation = partial(nn.Linear, width, 6 * width)
        self.modulations = nn.ModuleList(
            modulation() for _ in range(1 if config.shared else config.blocks)
        )
        # With one network for all blocks, what tells them apart.
        offsets = config.blocks if config.shared else 0
        self.offsets = nn.Parameter(torch.zeros(offsets, 6 * width)) if offsets else None
        self.final = nn.Linear(width, 2 * width)
        for parameter in (*self.modulations.parameters(), *self.final.parameters()):
            nn.init.zeros_(parameter)
        if config.reach:
            for layer in self.modulations:
                # Shift, scale and gate of attention, then of SwiGLU.
                bias = layer.get_parameter("bias").data.reshape(2, 3, width)
                nn.init.ones_(bias[:, 2])

    def forward(
        self, x: Tensor, noise: Tensor, context: Context | None = None, start: int = 0
    ) -> Tensor:
        """noise: what `NoiseEmbedding` gives; without noise levels, any (n, width).

        Args:
            context: In blocks, what `read` gave of the clean tokens.
            start: Place of the first token of x, where a block begins.
        """
        sight = Sight(self.block, start) if context is not None else None
        x, _ = self._through(x, noise, sight, context)
        shift, scale = self.final(noise)[:, None].chunk(2, dim=-1)
        return modulate(x, shift, scale)

    def read(
        self, x: Tensor, noise: Tensor, context: Context | None = None, start: int = 0
    ) -> Context:
        """What every layer keeps of clean tokens x (n, P, width) that stand behind `context`."""
        return self._through(x, noise, Sight(self.block, start, clean=True), context)[1]

    def _through(
        self, x: Tensor, noise: Tensor, sight: Sight | None, context: Context | None
    ) -> tuple[Tensor, list[Kept]]:
        """All layers, and what each has kept of x."""
        start, size = (0 if sight is None else sight.start), x.shape[1]
        table = rotary_table(size, self.channels, x.device, start)
        layers = [None] * len(self.blocks) if context is None else context
        before = 0 if context is None else context[0].keys.shape[2]
        seen = None if sight is None else sight.mask(size, before, x.device)
        found = []
        modulations = self._modulations(noise)
        for block, modulation, kept in zip(self.blocks, modulations, layers, strict=True):
            x, own = block(x, modulation, table, sight, kept, seen)
            found.append(own)
        return x, found

    def _modulations(self, noise: Tensor) -> list[Tensor]:
        given = [modulation(noise) for modulation in self.modulations]
        if self.offsets is None:
            return given
        return [given[0] + offset for offset in self.offsets]
