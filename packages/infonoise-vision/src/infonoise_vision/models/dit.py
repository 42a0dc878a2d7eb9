"""A diffusion transformer on patches (Peebles & Xie 2023, arXiv 2212.09748), at small scale."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_vision.models.blocks import NoiseEmbedding, with_given


def patchify(x: Tensor, patch: int) -> Tensor:
    """Images (n, c, h, w) -> (n, h/patch * w/patch, c patch^2), row by row of patches."""
    n, c, h, w = x.shape
    cells = x.reshape(n, c, h // patch, patch, w // patch, patch)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(n, -1, c * patch * patch)


def unpatchify(tokens: Tensor, shape: tuple[int, int, int], patch: int) -> Tensor:
    """The inverse of `patchify` for images of shape (c, h, w)."""
    c, h, w = shape
    cells = tokens.reshape(-1, h // patch, w // patch, c, patch, patch)
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(-1, c, h, w)


def positions(rows: int, columns: int, width: int) -> Tensor:
    """(rows * columns, width): sinusoids of a patch's row, then of its column."""
    frequencies = 10_000.0 ** (-torch.arange(width // 4) / (width // 4))
    waves = []
    for count in (rows, columns):
        angles = torch.arange(count)[:, None] * frequencies
        waves.append(torch.cat([angles.sin(), angles.cos()], dim=1))
    down, across = waves
    grid = [down[:, None].expand(-1, columns, -1), across[None].expand(rows, -1, -1)]
    return torch.cat(grid, dim=-1).reshape(rows * columns, width)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm of x (n, tokens, width), then scale and shift (n, width) of the embedding."""
    normed = functional.layer_norm(x, x.shape[-1:])
    return torch.addcmul(shift[:, None], normed, 1 + scale[:, None])


class TransformerBlock(nn.Module):
    """Attention and a two-layer network, both gated by the embedding; starts as the identity."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (n, tokens, width), embedding (n, width) -> (n, tokens, width)."""
        n, tokens, width = x.shape
        parts = self.modulation(embedding).chunk(6, dim=-1)
        qkv = self.qkv(modulated(x, parts[0], parts[1]))
        q, k, v = qkv.reshape(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        x = x + parts[2][:, None] * self.out(mixed.transpose(1, 2).reshape(n, tokens, width))
        h = functional.gelu(self.wide(modulated(x, parts[3], parts[4])), approximate="tanh")
        out: Tensor = x + parts[5][:, None] * self.narrow(self.dropout(h))
        return out


class DiT(nn.Module):
    """Raw network F(x, c_noise, label, augment, given) -> x's shape; zero before training.

    Args:
        shape: (c, h, w) of one image; `patch` divides h and w.
        width: Of a token, a multiple of 4 and of `heads`.
        depth: blocks.
        classes, augment, given, dropout, outputs: As in `unet.UNet`.
    """

    positions: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 128,
        depth: int = 6,
        heads: int = 4,
        patch: int = 2,
        dropout: float = 0.0,
        classes: int = 0,
        augment: int = 0,
        given: int = 0,
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        check_dit(shape, width, depth, heads, patch)
        self.shape, self.classes, self.patch, self.given = shape, classes, patch, given
        c, h, w = shape
        self.drawn = (c if outputs is None else outputs, h, w)
        self.embedding = NoiseEmbedding(width, classes, augment)
        self.stem = nn.Linear((c + given) * patch * patch, width)
        places = positions(h // patch, w // patch, width)
        self.register_buffer("positions", places, persistent=False)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, dropout) for _ in range(depth))
        self.modulation = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, self.drawn[0] * patch * patch)
        for parameter in (*self.modulation.parameters(), *self.out.parameters()):
            nn.init.zeros_(parameter)

    def forward(
        self,
        x: Tensor,
        c_noise: Tensor,
        label: Tensor | None = None,
        augment: Tensor | None = None,
        given: Tensor | None = None,
    ) -> Tensor:
        """(n, c or outputs, h, w) from x (n, c, h, w).

        Args:
            x: (n, c, h, w) images.
            c_noise: (n,) noise level as the preconditioning gives it.
            label: (n,) int64 class.
            augment: (n, a) what was done to each image.
            given: (n, g, h, w) planes of the condition.
        """
        x = with_given(x, given, self.given)
        embedding = self.embedding(c_noise, label, augment)
        dtype = self.stem.weight.dtype
        h = self.stem(patchify(x.to(dtype), self.patch)) + self.positions.to(dtype)
        for block in self.blocks:
            h = block(h, embedding)
        shift, scale = self.modulation(embedding).chunk(2, dim=-1)
        return unpatchify(self.out(modulated(h, shift, scale)), self.drawn, self.patch)


def check_dit(shape: tuple[int, int, int], width: int, depth: int, heads: int, patch: int) -> None:
    """Refuse sizes that no DiT can have."""
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"shape={shape}: give (channels, height, width), each at least 1")
    if min(width, depth, heads, patch) < 1:
        raise InputError(
            f"width={width}, depth={depth}, heads={heads}, patch={patch}: each must be at least 1"
        )
    if width % 4 or width % heads:
        raise InputError(f"width={width}: give a multiple of 4 and of heads={heads}")
    if shape[1] % patch or shape[2] % patch:
        raise InputError(
            f"images of {shape[2]}x{shape[1]} pixels do not divide into patches of {patch}x{patch}:"
            " give another size, or use a U-Net"
        )
