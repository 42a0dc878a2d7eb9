"""Diffusion of learned embeddings with a softmax over tokens, as in CDCD.

Dieleman et al. 2022, arXiv 2211.15089: noise on vectors of fixed length, cross entropy, and D = the
mean embedding. The log-odds of independent tokens are added to what the network says, as those of
bits are in `model`, so both start from what single places tell. There is no second pass.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.evaluation.held_out import HeldOutError
from infonoise_core.evaluation.likelihood import Bound, LikelihoodBound, prior_nats
from infonoise_core.evaluation.measures import Evaluation, Measure
from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.weighting import unit_weight
from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.churn import Churn
from infonoise_core.sampling.generate import generate_chunks, sampler_churn, sampler_levels
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_core.training.task import Batch, Losses
from infonoise_text.data.corpus import Split
from infonoise_text.data.spans import Given
from infonoise_text.data.windows import held_out, windows_of
from infonoise_text.evaluation.bound import likelihood_measures, per_byte
from infonoise_text.evaluation.whole import TextCost
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.base import (
    Profiles,
    Progress,
    Schedules,
    from_context,
    refuse_lead,
    refuse_overlap,
)
from infonoise_text.methods.options import Objective
from infonoise_text.methods.tokens import cross_entropy
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.trunk import NoiseEmbedding, Trunk
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import Generated, Own, own_of

# Numbers of an embedding, or as many as the trunk is wide if that is less.
CHANNELS = 64
# Lowest level of sampling and of the bound. Embeddings are about 11 apart, so that tokens are
# certain long before.
SIGMA_LAST = 0.3
# Windows that the denoiser sees at a time.
_CHUNK = 32


def embedding_size(trunk: TrunkConfig) -> int:
    """Numbers of an embedding."""
    return min(CHANNELS, trunk.width)


class EmbeddingDenoiser(nn.Module):
    """x = e(token) + sigma eps -> the mean embedding, its tokens weighted by a softmax."""

    def __init__(self, size: int, trunk: TrunkConfig) -> None:
        super().__init__()
        self.size, self.channels = size, embedding_size(trunk)
        self.embedding = nn.Parameter(torch.randn(size, self.channels))
        self.patch = nn.Linear(self.channels, trunk.width)
        self.noise = NoiseEmbedding(trunk.width)
        self.trunk = Trunk(trunk)
        self.out = nn.Linear(trunk.width, size)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def table(self) -> Tensor:
        """(V, channels) embeddings, each of length sqrt(channels)."""
        return functional.normalize(self.embedding, dim=1) * math.sqrt(self.channels)

    def forward(
        self, x: Tensor, sigma: Tensor, ids: Tensor | None = None, logits: bool = False
    ) -> Tensor:
        """x (n, L, channels), sigma (n,) -> the mean embedding, or logits (n, L, V).

        Args:
            ids: (n, L), then x is unit noise that is put on their embeddings.
        """
        table = self.table()
        level = sigma.to(torch.float32)[:, None, None]
        if ids is not None:
            x = table[ids] + level * x
        scaled = x / (level.square() + 1).sqrt()
        mixed = self.trunk(self.patch(scaled), self.noise(level.flatten().log()))
        # Below this level single places tell all, and the quotient would leave float32's range.
        evidence = x @ table.T / level.clamp_min(SIGMA_LAST / 2).square()
        found: Tensor = self.out(mixed).to(torch.float32) + evidence
        return found if logits else found.softmax(-1) @ table


class EmbeddingTask:
    """Learn windows of text by the cross entropy of their tokens given noisy embeddings."""

    unit = "tokens"

    def __init__(
        self, split: Split, denoiser: EmbeddingDenoiser, length: int, stride: int | None = None
    ) -> None:
        self.windows = windows_of(split, length, stride)
        self.denoiser: nn.Module = denoiser
        self.channels = denoiser.channels
        self.units, self.dim = length, length * denoiser.channels
        self._plain = denoiser

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, index: np.ndarray) -> Batch:
        # The embeddings are the network's; what is drawn here is noise of their shape.
        ids = self.windows.examples(index).ids.long()
        return Batch(torch.zeros(*ids.shape, self.channels), {"ids": ids})

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """Nats per token (n,), and the squared error (n,) of the mean embedding."""
        ids = batch.condition["ids"]
        logits = denoiser(eps, sigma, ids=ids, logits=True)
        with torch.no_grad():
            table = self._plain.table()
            error = (logits.softmax(-1) @ table - table[ids]).square().flatten(1).sum(1)
        return Losses(cross_entropy(logits, ids).mean(1), error)


@torch.no_grad()
def _bound(
    denoiser: EmbeddingDenoiser, ids: Tensor, sigma_max: float, seed: int
) -> LikelihoodBound:
    """The bound on windows (n, L), for embeddings as they are now."""
    n, length = ids.shape
    x0 = denoiser.table().cpu()[ids]
    noise = torch.randn(x0.shape, generator=generator(seed, Stream.EVALUATE, 16))

    @torch.no_grad()
    def last(_: nn.Module) -> Tensor:
        """(n,) cost of the tokens given their embeddings at the lowest level."""
        device = denoiser.embedding.device
        parts = []
        for start in range(0, n, _CHUNK):
            part = ids[start : start + _CHUNK].to(device)
            sigma = torch.full((len(part),), SIGMA_LAST, device=device)
            logits = denoiser(noise[start : start + _CHUNK].to(device), sigma, part, logits=True)
            parts.append(cross_entropy(logits, part).sum(1).cpu())
        return torch.cat(parts).to(torch.float64)

    return LikelihoodBound(
        HeldOutError(Batch(x0), SIGMA_LAST, sigma_max, 16, seed, _CHUNK),
        torch.full((n,), length),
        # Embeddings have a fixed length, with one channel's share of it a variance of 1.
        length * denoiser.channels * prior_nats(1.0, 1.0, sigma_max),
        last=last,
    )


class EmbeddingEvaluation:
    """Bits per byte of averaged weights on held-out windows.

    The bound of `LikelihoodBound`, for embeddings as they have been learned.
    """

    def __init__(
        self, split: Split, length: int, sigma_max: float, *, windows: int = 64, seed: int = 0
    ) -> None:
        self.floors: Mapping[str, float] = {}
        self._windows, self._tokens_per_byte = held_out(split, length, windows)
        self._sigma_max, self._seed = sigma_max, seed
        self._lossless = split.lossless

    def bound(self, denoiser: EmbeddingDenoiser) -> Bound:
        """Per token."""
        bound = _bound(denoiser, self._windows.ids, self._sigma_max, self._seed)
        bound.units = self._windows.units.to(torch.float64)
        return bound(denoiser)

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """Bits per byte and nats per token, with standard errors."""
        if not isinstance(denoiser, EmbeddingDenoiser):
            raise TypeError(f"{type(denoiser).__name__} where embeddings were trained")
        denoiser.eval()
        return per_byte(self.bound(denoiser), self._tokens_per_byte)

    def measures(self) -> list[Measure]:
        """What the numbers are, for tables and reports."""
        explanation = "Upper bound on the negative log-likelihood of held-out windows of text"
        return likelihood_measures(explanation, lossless=self._lossless)


@torch.no_grad()
def sample(
    denoiser: EmbeddingDenoiser,
    n: int,
    length: int,
    sigmas: Tensor,
    *,
    solver: str = "euler",
    churn: Churn | None = None,
    s_noise: float = 1.003,
    seed: int = 0,
    chunk: int = _CHUNK,
    own: Own | None = None,
) -> Generated:
    """n windows (n, length); of each place, the token whose embedding is nearest in the end.

    Args:
        sigmas: (k,) descending.
    """
    chunks = list(
        generate_chunks(
            denoiser, (length, denoiser.channels), n, sigmas, solver=solver, churn=churn,
            s_noise=s_noise, seed=seed, chunk=chunk, own=own or own_of(seed),
        )
    )  # fmt: skip
    table = denoiser.table().cpu()
    ids = torch.cat([(part.x @ table.T).argmax(-1) for part in chunks])
    return Generated(ids, torch.zeros_like(ids, dtype=torch.bool), chunks[-1].nfe)


class Embeddings:
    """See `Method`."""

    name = "embedding"
    codes = None
    has_levels = True
    takes_given = only_ordered = False
    profile_files: tuple[str, ...] = (PROFILE_FILE,)

    def __init__(self, objective: Objective, assets: Assets) -> None:
        self.objective, self.assets = objective, assets
        self._size = assets.tokenizer.size
        self._trunk = objective.sizes

    def network(self, seed: int) -> EmbeddingDenoiser:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return EmbeddingDenoiser(self._size, self._trunk)

    def task(self, split: Split, network: EmbeddingDenoiser) -> EmbeddingTask:
        return EmbeddingTask(split, network, self.objective.length)

    def schedule_context(self, split: Split, steps: int) -> ScheduleContext:
        channel = VarianceExploding(self.objective.sigma_min, self.objective.sigma_max)
        dim = self.objective.length * embedding_size(self._trunk)
        return ScheduleContext(channel, unit_weight(), steps, dim)

    def schedules(self, split: Split) -> Schedules:
        return from_context(self.schedule_context(split, 1000))

    def evaluation(self, split: Split, windows: int = 64) -> EmbeddingEvaluation:
        return EmbeddingEvaluation(
            split, self.objective.length, self.objective.sigma_max, windows=windows
        )

    def evaluations(
        self, split: Split, windows: int, sampler: TextSampler, profiles: Profiles
    ) -> Mapping[str, Evaluation]:
        return {self.name: self.evaluation(split, windows)}

    def text_costs(self, network: EmbeddingDenoiser) -> Mapping[str, TextCost]:
        def cost(ids: Tensor, known: int) -> Tensor:
            refuse_overlap(known, "--method embedding")
            # A bound is of two windows at least.
            rows = ids if len(ids) > 1 else ids.expand(2, -1)
            nats = _bound(network, rows, self.objective.sigma_max, 0).nats(network)
            return nats if len(ids) > 1 else nats.mean(0, keepdim=True)

        return {self.name: cost}

    def check(self, sampler: TextSampler, profiles: Profiles) -> None:
        refuse_lead(sampler)
        (profile,) = profiles
        sampler_levels(sampler, SIGMA_LAST, self.objective.sigma_max, profile)
        sampler_churn(sampler, profile)

    def generate(
        self,
        network: EmbeddingDenoiser,
        n: int,
        length: int,
        sampler: TextSampler,
        profiles: Profiles,
        given: Given | None = None,
        progress: Progress | None = None,
        own: Own | None = None,
    ) -> Generated:
        refuse_lead(sampler)
        (profile,) = profiles
        return sample(
            network, n, length,
            sampler_levels(sampler, SIGMA_LAST, self.objective.sigma_max, profile),
            solver=sampler.solver, churn=sampler_churn(sampler, profile), s_noise=sampler.s_noise,
            seed=sampler.seed, chunk=sampler.chunk, own=own,
        )  # fmt: skip
