"""The network of CoBit's releases (SDT; Batzolis, Girolami & Ambrogioni 2026, arXiv 2605.07013).

Each bit alone is read by one shared linear layer, once noisy and once as an earlier pass believed
it; the bits of a token, with their places in it, make one position of a transformer, and a head per
bit looks at the position and at the bit again. Belief before any pass is a bit of 0, not of 1/2:
that is what its training began from.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import CENTRE, CERTAIN, SIGMA_DATA, BitDenoiser, evidence
from infonoise_text.models.trunk import modulate, rotary_table, rotate

# Of a bit's place in its token, a part that no release uses and that stays zero; and waves.
_UNUSED, _WAVES = 64, 4


@dataclass(frozen=True)
class SDTConfig:
    """Sizes.

    Attributes:
        bits: Of a token.
        width: Of a position.
        blocks, heads: How many.
        hidden: Of the SwiGLU.
        content: Numbers that a bit is read as.
        head: Width of the head of a bit.
    """

    bits: int
    width: int
    blocks: int
    heads: int
    hidden: int
    content: int
    head: int

    def __post_init__(self) -> None:
        sizes = (self.bits, self.width, self.blocks, self.heads, self.hidden, self.content)
        if min(*sizes, self.head) < 1 or self.bits < 2:
            raise InputError(f"a network of {self}: give at least 1 of each, and 2 bits")
        if self.width % (2 * self.heads):
            raise InputError(
                f"width {self.width} and {self.heads} heads: rotary positions need an even number"
                " of channels per head; give other --heads"
            )


class Modulation(nn.Module):
    """A condition (n, e) -> scale, shift and gate (n, 1, w) each."""

    def __init__(self, condition: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(condition, 3 * width)

    def forward(self, condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Zero before training."""
        scale, shift, gate = self.linear(functional.silu(condition))[:, None].chunk(3, dim=-1)
        return scale, shift, gate


class SDTBlock(nn.Module):
    """Attention with rotary positions, then SwiGLU, each normalised, modulated and gated."""

    def __init__(self, config: SDTConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.to_attention, self.to_mlp = (Modulation(width, width) for _ in range(2))
        self.qkv, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gate, self.up = (nn.Linear(width, config.hidden) for _ in range(2))
        self.down = nn.Linear(config.hidden, width)

    def forward(self, x: Tensor, level: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
        """x (n, L, width), level (n, width) -> (n, L, width)."""
        n, length, width = x.shape
        scale, shift, gate = self.to_attention(level)
        qkv = self.qkv(modulate(x, shift, scale))
        q, k, v = qkv.reshape(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(rotate(q, table), rotate(k, table), v)
        x = x + gate * self.mixed(mixed.transpose(1, 2).reshape(n, length, width))
        scale, shift, gate = self.to_mlp(level)
        h = modulate(x, shift, scale)
        out: Tensor = x + gate * self.down(functional.silu(self.gate(h)) * self.up(h))
        return out


class SDT(nn.Module):
    """Noisy and believed bits (n, L, m), log sigma (n,) -> (n, L, m), to be added to the evidence.

    Args:
        config: Sizes.
    """

    places: Tensor
    frequencies: Tensor

    def __init__(self, config: SDTConfig) -> None:
        super().__init__()
        self.config, self.bits = config, config.bits
        width, content, head = config.width, config.content, config.head
        self.read = nn.Linear(1, content)
        places = _places(config.bits)
        self.register_buffer("places", places, persistent=False)
        self.patch = nn.Linear(config.bits * (2 * content + places.shape[1]), width)
        waves = 10_000.0 ** (-2 * (torch.arange(width) // 2) / width)
        self.register_buffer("frequencies", waves)
        self.level_waves = nn.Linear(width, width, bias=False)
        self.level = nn.Linear(width, width)
        self.blocks = nn.ModuleList(SDTBlock(config) for _ in range(config.blocks))
        self.back = nn.Linear(width, config.bits * content)
        self.head_position = nn.Linear(width, config.bits * head)
        self.head_bit = nn.Linear(3 * content, head)
        self.head_level = nn.Linear(width, head)
        self.to_head = Modulation(head, head)
        self.head_mix, self.head_out = nn.Linear(head, head), nn.Linear(head, 1)
        nn.init.zeros_(self.head_out.weight)
        nn.init.zeros_(self.head_out.bias)

    def forward(self, signal: Tensor, belief: Tensor, log_sigma: Tensor) -> Tensor:
        """All (n, L, m) but log_sigma (n,)."""
        n, length, bits = signal.shape
        dtype = self.read.weight.dtype
        seen = torch.stack([signal, belief], dim=-1).to(dtype)[..., None]
        content = self.read(seen).flatten(-2)
        places = self.places.to(dtype).expand(n, length, bits, -1)
        x = self.patch(torch.cat([content, places], dim=-1).flatten(2))
        level = self._level(log_sigma, dtype)
        table = rotary_table(length, x.shape[-1] // self.config.heads, x.device)
        for block in self.blocks:
            x = block(x, level, table)
        back = self.back(x).reshape(n, length, bits, -1)
        h = self.head_position(x).reshape(n, length * bits, -1)
        h = h + self.head_bit(torch.cat([back, content], dim=-1)).reshape(h.shape)
        scale, shift, gate = self.to_head(self.head_level(level))
        h = gate * modulate(h, shift, scale)
        out: Tensor = self.head_out(functional.silu(self.head_mix(h)))
        return out.reshape(n, length, bits)

    def _level(self, log_sigma: Tensor, dtype: torch.dtype) -> Tensor:
        """(n, width): cosines at even places, sines at odd ones, then two linear layers."""
        angles = log_sigma.to(torch.float32)[:, None] * self.frequencies.to(torch.float32)
        even = torch.arange(angles.shape[1], device=angles.device) % 2 == 0
        waves = torch.where(even, angles.cos(), angles.sin()).to(dtype)
        level: Tensor = self.level(self.level_waves(waves))
        return level


def _places(bits: int) -> Tensor:
    """(m, 64 + 8 + 1) what says which bit of its token a bit is."""
    place = torch.arange(bits, dtype=torch.float32)
    angles = 2 * math.pi * place[:, None] * torch.arange(1, _WAVES + 1) / (bits - 1)
    middle = (bits - 1) / 2
    away = (place - middle).abs()[:, None] / middle
    return torch.cat([torch.zeros(bits, _UNUSED), angles.sin(), angles.cos(), away], dim=1)


class SDTDenoiser(BitDenoiser):
    """D(x, sigma) = sigmoid(SDT + evidence).

    Without `previous` the belief is a bit of 0 everywhere. No release was trained with given
    tokens: `known` ones are put in place of what the network sees, and D is they.
    """

    no_belief = 0.0

    def __init__(self, network: SDT) -> None:
        nn.Module.__init__(self)
        # Of the same interface, though not of the same trunk.
        self.network = network  # type: ignore[assignment]
        self.bits = network.bits

    @property
    def block(self) -> int:
        """None."""
        return 0

    @property
    def groups(self) -> None:
        """It answers each bit alone."""
        return None

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
        """As `BitDenoiser.forward`."""
        self._check(x, sigma)
        if joint or before is not None:
            raise InputError("this network answers each bit alone: it has no groups and no blocks")
        x = x.to(torch.float32)
        belief = (
            torch.full_like(x, self.no_belief) if previous is None else previous.to(torch.float32)
        )
        if known is not None and clean is not None:
            bits = clean.to(torch.float32)
            x = torch.where(known[..., None], bits, x)
            belief = torch.where(known[..., None], bits, belief)
        level = self._per_bit(sigma.to(torch.float32))
        scale = (level.square() + SIGMA_DATA**2).rsqrt()
        said: Tensor = self.network(
            scale * (x - CENTRE), scale * (belief - CENTRE), sigma.to(torch.float32).log()
        )
        log_odds = said.to(torch.float32) + evidence(x, level)
        denoised = log_odds if logits else log_odds.sigmoid()
        if known is None or clean is None:
            return denoised
        sure = 2 * clean.to(torch.float32) - 1
        return torch.where(known[..., None], CERTAIN * sure if logits else (sure + 1) / 2, denoised)


def make_sdt(bits: int, trunk: TrunkConfig, seed: int) -> SDTDenoiser:
    """A freshly initialised one for tokens of `bits` bits, the same for the same seed."""
    hidden, content, head = trunk.sdt or (0, 0, 0)
    config = SDTConfig(bits, trunk.width, trunk.blocks, trunk.heads, hidden, content, head)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SDTDenoiser(SDT(config))
