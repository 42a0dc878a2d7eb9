"""Networks on DNA: a dilated CNN, a transformer and a mixture, plain or equivariant to the strand.

Both map features of bases to residual logits of bases. The equivariant variants follow the idea of
shared weights on both strands (Shrikumar, Greenside & Kundaje 2017; Zhou et al. 2022) in a form
that is exact to the last bit: see `Network`.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_bio.models.lengths import places_of, read_backwards
from infonoise_bio.models.options import NetworkConfig
from infonoise_core.errors import InputError

BASE_CHANNELS = 4
# Of a coarse network, the last of so many blocks is one of attention.
_EVERY = 3
_STRETCH = 32


class NoiseEmbedding(nn.Module):
    """log sigma (n,) -> (n, channels): sinusoids and two linear layers."""

    frequencies: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        # Over the 4 nats in which bases become unclear the slowest wave turns an eighth, the
        # fastest five times.
        frequencies = torch.logspace(math.log2(0.2), 3, channels // 4, base=2.0)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.first = nn.Linear(2 * len(frequencies), channels)
        self.second = nn.Linear(channels, channels)

    def forward(self, log_sigma: Tensor) -> Tensor:
        """Compute the angles in float32 or better whatever the weights are in."""
        angles = log_sigma[:, None] * self.frequencies.to(log_sigma)
        waves = torch.cat([angles.cos(), angles.sin()], dim=1).to(self.first.weight.dtype)
        out: Tensor = self.second(functional.silu(self.first(waves)))
        return out


def normalise(h: Tensor) -> Tensor:
    """Channels (n, C, L) of root mean square 1 at each position."""
    return h * torch.rsqrt(h.square().mean(1, keepdim=True) + 1e-6)


class Modulation(nn.Module):
    """Scale, shift and gate (n, C, 1) of a branch from the embedding; at the start 1, 0 and 1.

    Source: Peebles & Xie 2023.
    """

    def __init__(self, embedding: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding, 3 * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """embedding (n, e)."""
        scale, shift, gate = self.linear(embedding)[:, :, None].chunk(3, dim=1)
        return 1 + scale, shift, 1 + gate


class Spread(nn.Conv1d):
    """A convolution as long as its input: centred, or over the places up to each one's own."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, dilation: int = 1, *, causal: bool = False
    ) -> None:
        reach = dilation * (kernel // 2)
        super().__init__(inputs, outputs, kernel, padding=0 if causal else reach, dilation=dilation)
        self.before = 2 * reach if causal else 0

    def forward(self, h: Tensor) -> Tensor:
        """h (n, C, L)."""
        return super().forward(functional.pad(h, (self.before, 0)) if self.before else h)


class ConvolutionBlock(nn.Module):
    """A dilated convolution and a pointwise one, the input added."""

    def __init__(self, config: NetworkConfig, embedding: int, dilation: int) -> None:
        super().__init__()
        width = config.width
        self.modulation = Modulation(embedding, width)
        self.spread = Spread(width, width, config.kernel, dilation, causal=config.causal)
        self.mix = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, h: Tensor, embedding: Tensor, inside: Tensor | None = None) -> Tensor:
        """h (n, C, L), embedding (n, e), inside (n, 1, L) as in `Network`."""
        scale, shift, gate = self.modulation(embedding)
        seen = torch.addcmul(shift, normalise(h), scale)
        if inside is not None:
            seen = seen.masked_fill(~inside, 0.0)  # as beyond the ends of what a convolution sees
        inner = functional.silu(self.spread(seen))
        return torch.addcmul(h, gate, self.mix(self.dropout(inner)))


class TransformerBlock(nn.Module):
    """Attention with rotary positions (Su et al. 2021) and two pointwise layers, each added."""

    def __init__(self, config: NetworkConfig, embedding: int) -> None:
        super().__init__()
        width = config.width
        self.heads, self.causal = config.heads, config.causal
        self.attend, self.think = Modulation(embedding, width), Modulation(embedding, width)
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.out = nn.Conv1d(width, width, 1)
        self.up = nn.Conv1d(width, 4 * width, 1)
        self.down = nn.Conv1d(4 * width, width, 1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, h: Tensor, embedding: Tensor, inside: Tensor | None = None) -> Tensor:
        """h (n, C, L), embedding (n, e), inside (n, 1, L) as in `Network`."""
        n, width, length = h.shape
        scale, shift, gate = self.attend(embedding)
        qkv = self.qkv(torch.addcmul(shift, normalise(h), scale))
        q, k, v = qkv.reshape(n, 3, self.heads, -1, length).transpose(-1, -2).unbind(1)
        # What comes before a place never lies beyond the end: causal attention needs no more.
        heard = None if inside is None or self.causal else inside[:, None]
        mixed = functional.scaled_dot_product_attention(
            rotate(q), rotate(k), v.contiguous(), attn_mask=heard, is_causal=self.causal
        )
        mixed = mixed.transpose(-1, -2).reshape(n, width, length)
        h = torch.addcmul(h, gate, self.out(self.dropout(mixed)))
        scale, shift, gate = self.think(embedding)
        inner = functional.gelu(self.up(torch.addcmul(shift, normalise(h), scale)))
        return torch.addcmul(h, gate, self.down(self.dropout(inner)))


class CoarseBlock(nn.Module):
    """A transformer block over means of `stretch` bases; what it adds is given to each of them.

    Time and memory of attention fall with the square of the stretch.
    """

    def __init__(self, config: NetworkConfig, embedding: int) -> None:
        super().__init__()
        self.stretch = config.stretch or _STRETCH
        self.inner = TransformerBlock(config, embedding)
        self.spread = nn.Conv1d(config.width, config.width, 1)

    def forward(self, h: Tensor, embedding: Tensor, inside: Tensor | None = None) -> Tensor:
        """h (n, C, L), of any L, embedding (n, e), inside (n, 1, L) as in `Network`."""
        means, some = self._means(h, inside)
        added = self.inner(means, embedding, some) - means
        fine = added.repeat_interleave(self.stretch, 2)[:, :, : h.shape[2]]
        spread: Tensor = self.spread(fine)
        return h + spread

    def _means(self, h: Tensor, inside: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Of each stretch, and which stretches hold anything; None where all do."""
        if inside is None:
            return functional.avg_pool1d(h, self.stretch, ceil_mode=True), None
        total, share = (
            functional.avg_pool1d(x, self.stretch, ceil_mode=True)
            for x in (h.masked_fill(~inside, 0.0), inside.to(h))
        )
        some = share > 0
        return total / share.masked_fill(~some, 1.0), some


def rotate(q: Tensor) -> Tensor:
    """Queries or keys (..., L, d) turned by their position, so that products know distances."""
    half = q.shape[-1] // 2
    rate = 1000.0 ** -(torch.arange(half, device=q.device, dtype=torch.float32) / half)
    angle = torch.arange(q.shape[-2], device=q.device, dtype=torch.float32)[:, None] * rate
    cos, sin = angle.cos().to(q.dtype), angle.sin().to(q.dtype)
    first, second = q.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def _block(config: NetworkConfig, embedding: int, number: int, dilation: int) -> nn.Module:
    if config.kind == "transformer":
        return TransformerBlock(config, embedding)
    if config.kind == "coarse" and number % _EVERY == _EVERY - 1:
        return CoarseBlock(config, embedding)
    return ConvolutionBlock(config, embedding, dilation)


class Network(nn.Module):
    """Features of bases -> residual logits (n, 4, L), exactly zero before training.

    The features hold `groups` groups of four channels in the order A C G T, then `flags` channels
    that are the same on both strands. Learned positions count from the 5' end.

    Equivariant: each strand has activations of its own, read from its own 5' end, and passes
    through the same layers; before every block each hears what the other says of the base opposite
    to it. The other strand as input swaps the two and changes no operation, so the outputs are
    swapped to the last bit: sums of two terms, one from each strand, do not depend on their order.
    """

    def __init__(
        self, config: NetworkConfig, length: int, groups: int, flags: int, embedding: int
    ) -> None:
        super().__init__()
        self.config, self.length, self.groups = config, length, groups
        width = config.width
        self.stem = Spread(BASE_CHANNELS * groups + flags, width, 9, causal=config.causal)
        self.position = nn.Parameter(torch.zeros(width, length)) if config.positions else None
        dilations = (config.dilations[i % len(config.dilations)] for i in range(config.depth))
        self.blocks = nn.ModuleList(
            _block(config, embedding, number, dilation) for number, dilation in enumerate(dilations)
        )
        crossings = config.depth if config.equivariant else 0
        self.crossings = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(crossings))
        self.head = nn.Conv1d(width, BASE_CHANNELS, 1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor, embedding: Tensor, lengths: Tensor | None = None) -> Tensor:
        """features (n, 4 groups + flags, L), embedding (n, e) -> (n, 4, L).

        Args:
            features: Zero beyond the end of a sequence.
            embedding: Of noise and conditions.
            lengths: (n,) bases of each sequence where they differ. What is computed within a
                sequence is what the sequence alone would give, whatever lies beyond its end.
        """
        inside = None if lengths is None else places_of(lengths, features.shape[2])[:, None]
        h = self._begin(features)
        if not self.config.equivariant:
            for block in self.blocks:
                h = block(h, embedding, inside)
            return self._end(h)
        g = self._begin(self._other_strand(features, lengths))
        for block, crossing in zip(self.blocks, self.crossings, strict=True):
            from_g, from_h = (crossing(read_backwards(x, lengths)) for x in (g, h))
            h, g = h + from_g, g + from_h
            # Two calls, not one of both strands: the place in a batch may change last bits.
            h, g = block(h, embedding, inside), block(g, embedding, inside)
        return self._end(h) + read_backwards(self._end(g).flip(1), lengths)

    def _begin(self, features: Tensor) -> Tensor:
        if features.shape[2] > self.length and self.position is not None:
            raise InputError(
                f"sequences of {features.shape[2]} bases for a network with {self.length} learned"
                " positions: give shorter ones"
            )
        h: Tensor = self.stem(features.to(self.stem.weight.dtype))
        return h if self.position is None else h + self.position[:, : h.shape[2]]

    def _end(self, h: Tensor) -> Tensor:
        logits: Tensor = self.head(functional.silu(normalise(h)))
        return logits

    def _other_strand(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        n, _, length = features.shape
        of_bases = BASE_CHANNELS * self.groups
        turned = features[:, :of_bases].reshape(n, self.groups, BASE_CHANNELS, length).flip(2)
        turned = torch.cat([turned.reshape(n, of_bases, length), features[:, of_bases:]], 1)
        return read_backwards(turned, lengths)
