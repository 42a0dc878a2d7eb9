"""What models that read and give whole tokens have in common: network, examples, evaluation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.app.results import Measure
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.training.task import Batch, Losses
from infonoise_text.data.corpus import Split
from infonoise_text.data.windows import Windows, held_out_windows
from infonoise_text.evaluation.bound import Bound, per_byte
from infonoise_text.models.transformer import Trunk, TrunkConfig

# Windows that a network sees at a time; its logits are V numbers for every token.
_CHUNK = 32

# Network, ids (n, L) -> (n,) what each window costs in nats.
Cost = Callable[[nn.Module, Tensor], Tensor]


class TokenTransformer(nn.Module):
    """ids (n, L) -> logits (n, L, size), by the trunk of the bit-patch transformer.

    One symbol beyond the tokens, number `size`, may be given too: a start, or a mask. The output
    has the weights of the embedding (Press & Wolf 2017), and before training all tokens are
    about equally likely.
    """

    def __init__(self, size: int, trunk: TrunkConfig) -> None:
        super().__init__()
        self.size = size
        self.embedding = nn.Embedding(size + 1, trunk.width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        # The trunk asks for a noise level; here is none, so it is told one learned vector.
        self.level = nn.Parameter(torch.randn(trunk.width))
        self.trunk = Trunk(trunk)
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, ids: Tensor) -> Tensor:
        """In float32."""
        x = self.embedding(ids)
        mixed = self.trunk(x, self.level.expand(len(x), -1))
        logits = functional.linear(mixed, self.embedding.weight[: self.size], self.bias)
        return logits.to(torch.float32)


class TokenTask:
    """Learn windows of text by a cost of whole tokens. Noise levels are given, and not used.

    Args:
        cost: Of windows in nats; what is random in it comes from torch's global generator.
    """

    def __init__(
        self, split: Split, denoiser: nn.Module, length: int, cost: Cost, stride: int | None = None
    ) -> None:
        self.windows = Windows(split, length, stride)
        self.denoiser, self.dim, self._cost = denoiser, length, cost

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, index: np.ndarray) -> Batch:
        # The loop draws noise for x0, of which there is none.
        ids = self.windows.ids(index).long()
        return Batch(torch.empty(len(ids), 0), {"ids": ids})

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """Nats per token."""
        ids = batch.condition["ids"]
        nats = self._cost(denoiser, ids)  # type: ignore[arg-type]
        return Losses(nats / ids.shape[1], torch.zeros_like(nats).detach())


@dataclass(frozen=True)
class TokenMeasure:
    """training: the cost that is minimised.  held_out: the same with less chance in it.  exact:
    whether it is the negative log-likelihood, or an upper bound on it.
    """

    training: Cost
    held_out: Cost
    exact: bool


class TokenEvaluation:
    """Bits per byte of averaged weights on fixed held-out windows, each read without what stands
    before it.
    """

    def __init__(
        self, split: Split, length: int, measure: TokenMeasure, *, windows: int = 64, seed: int = 0
    ) -> None:
        self.floors: Mapping[str, float] = {}
        self._ids = held_out_windows(split, length, windows)
        self._measure, self._seed = measure, seed
        self._tokens_per_byte = split.counts.tokens / max(split.counts.bytes, 1)

    @torch.no_grad()
    def bound(self, denoiser: nn.Module) -> Bound:
        """Per token."""
        device = next(denoiser.parameters()).device
        denoiser.eval()
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            parts = [
                self._measure.held_out(denoiser, self._ids[start : start + _CHUNK].to(device)).cpu()
                for start in range(0, len(self._ids), _CHUNK)
            ]
        nats = torch.cat(parts).to(torch.float64) / self._ids.shape[1]
        return Bound(float(nats.mean()), float(nats.std()) / math.sqrt(len(nats)))

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """Bits per byte and nats per token, with standard errors."""
        return per_byte(self.bound(denoiser), self._tokens_per_byte)

    def measures(self) -> list[Measure]:
        """What the numbers are, for tables and reports."""
        return likelihood_measures(self._measure.exact)


def likelihood_measures(exact: bool) -> list[Measure]:
    """Of a likelihood, or of a bound on one."""
    kind = "The" if exact else "Upper bound on the"
    explanation = f"{kind} negative log-likelihood of held-out windows of text"
    return [
        Measure("bits_per_byte", "bits per byte", f"{explanation}, per byte of UTF-8."),
        Measure("nats_per_token", "nats per token", f"{explanation}, per token."),
    ]


def cross_entropy(logits: Tensor, ids: Tensor) -> Tensor:
    """logits (n, L, V), ids (n, L) -> (n, L) nats."""
    return functional.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none").reshape(
        ids.shape
    )
