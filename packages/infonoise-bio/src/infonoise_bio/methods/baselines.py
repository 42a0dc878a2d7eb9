"""Other generative models of bases on the same trunk: masked diffusion and autoregressive.

Both are shown bases as `given` and no noisy sequence, so the network is the same to the last layer;
before training both are the law of independent bases.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.bound import bits_per_base
from infonoise_bio.methods.diffusion import DnaTask, Objective, example_batch
from infonoise_bio.models.denoiser import BaseDenoiser, ModelConfig
from infonoise_bio.models.encoding import Encoding
from infonoise_core.errors import InputError
from infonoise_core.evaluation.measures import Measure
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.rng import Stream, generator
from infonoise_core.training.task import Batch, Losses

BASELINES = ("masked", "autoregressive")
_CHUNK = 512
# In units of the code: where the noisy sequence would tell nothing.
_NO_SIGNAL = 10.0


class GivenBases(BaseDenoiser):
    """Known bases `given` (n, L), 4 where not known -> log chances (n, 4, L) of every base."""

    def forward(  # type: ignore[override]
        self,
        given: Tensor,
        label: Tensor | None = None,
        activity: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """The conditions are BaseDenoiser's."""
        n, length = given.shape
        shape = (n, self.encoding.channels, length)
        x = torch.full(shape, self.encoding.origin, device=given.device)
        sigma = torch.full((n,), _NO_SIGNAL * self.encoding.std, device=given.device)
        return self.log_chances(x, sigma, given=given, label=label, activity=activity, mask=mask)


class MaskedTask(DnaTask):
    """Masked diffusion (Austin et al. 2021) in the form without time (Ou et al. 2024; Sahoo et al.
    2024): hide a random number of bases, predict them; each counts L over that number.

    The same bound as that of an autoregressive model in random order (Hoogeboom et al. 2022).
    """

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """loss and squared_error (n,) alike: the bound on -log p in nats per base, estimated.

        sigma and eps are not used.
        """
        codes, condition = self._codes(batch)
        hidden = torch.rand((2, *codes.shape), device=codes.device)
        number = 1 + (hidden[1, :, :1] * codes.shape[1]).floor()
        nats = masked_nats(denoiser, codes, hidden[0].argsort(1).argsort(1), number, condition)
        loss = nats / codes.shape[1]
        return Losses(loss, loss.detach())

    def _codes(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        if self.strand == "both":
            batch = self._turned(batch)
        batch = self._hidden(batch)
        return self._encoding.decode(batch.x0, batch.condition.get("mask")), batch.condition


class AutoregressiveTask(MaskedTask):
    """Predict each base from all before it, from the 5' end on."""

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """loss and squared_error (n,) alike: -log p, nats per base; sigma, eps are not used."""
        codes, condition = self._codes(batch)
        loss = autoregressive_nats(denoiser, codes, condition) / codes.shape[1]
        return Losses(loss, loss.detach())


def masked_nats(
    model: Denoiser, codes: Tensor, rank: Tensor, number: Tensor, condition: Mapping[str, Tensor]
) -> Tensor:
    """(n,) unbiased estimate of the bound on -log p of codes (n, L): bases of rank (n, L) below
    number (n, 1) are hidden.
    """
    given = codes.masked_fill(rank < number, MASKED)
    chances = model(given, **condition)
    hidden = (given == MASKED) & (codes != MASKED)
    return (_nats(chances, codes) * hidden).sum(1) * codes.shape[1] / number[:, 0]


def autoregressive_nats(model: Denoiser, codes: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
    """(n,) exact -log p of codes (n, L)."""
    before = torch.cat([torch.full_like(codes[:, :1], MASKED), codes[:, :-1]], 1)
    chances = model(before, **_shifted(condition))
    return (_nats(chances, codes) * (codes != MASKED)).sum(1)


def _shifted(condition: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # The mask goes along with the bases it belongs to; at the start there is none before.
    changed = dict(condition)
    if "mask" in changed:
        mask = changed["mask"]
        changed["mask"] = torch.cat([torch.ones_like(mask[:, :1]), mask[:, :-1]], 1)
    return changed


def _nats(chances: Tensor, codes: Tensor) -> Tensor:
    """(n, L); any number where masked."""
    index = codes.long().clamp_max(MASKED - 1)[:, None]
    return -chances.gather(1, index)[:, 0]


def baseline_model(kind: str, config: ModelConfig, encoding: Encoding, seed: int) -> GivenBases:
    """A fresh network, the same for the same seed; causal for the autoregressive one."""
    if kind not in BASELINES:
        raise InputError(f"baseline {kind}: no such one; give one of {', '.join(BASELINES)}")
    if kind == "autoregressive":
        config = replace(config, network=replace(config.network, causal=True, equivariant=False))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return GivenBases(config, encoding)


def baseline_task(kind: str, objective: Objective, sequences: SequenceSet, seed: int) -> MaskedTask:
    """The training sequences with a fresh network of the objective's size."""
    model = baseline_model(kind, objective.model(sequences), objective.code(), seed)
    task = AutoregressiveTask if kind == "autoregressive" else MaskedTask
    return task(sequences, model, objective.weighting(), objective.strand)


class BaselineBits:
    """Held-out bits per base: exact for the autoregressive model, a bound for the masked one, on
    fixed orders and numbers of hidden bases, `levels` for each sequence.
    """

    def __init__(
        self, kind: str, held_out: SequenceSet, encoding: Encoding, levels: int = 16, seed: int = 0
    ) -> None:
        self.kind = kind
        self._batch = example_batch(held_out, np.arange(len(held_out)), encoding)
        self._codes = torch.from_numpy(np.array(held_out.codes))
        self.levels, self._seed = levels, seed

    @property
    def floors(self) -> dict[str, float]:
        """None."""
        return {}

    @torch.no_grad()
    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """bits_per_base and its standard error over sequences."""
        denoiser.eval()
        device = next(denoiser.parameters()).device
        nats = torch.cat([
            self._part(denoiser, slice(start, start + _CHUNK), device)
            for start in range(0, len(self._codes), _CHUNK)
        ])  # fmt: skip
        bases = (self._codes != MASKED).sum(1).to(torch.float64)
        bits = bits_per_base(nats, bases)
        return {"bits_per_base": bits.value, "bits_per_base_stderr": bits.stderr}

    def _part(self, denoiser: nn.Module, rows: slice, device: torch.device) -> Tensor:
        codes = self._codes[rows].to(device)
        condition = {k: v[rows].to(device) for k, v in self._batch.condition.items()}
        if self.kind == "autoregressive":
            return autoregressive_nats(denoiser, codes, condition).cpu().to(torch.float64)
        rng = generator(self._seed, Stream.EVALUATE, rows.start)
        n, length = codes.shape
        total = torch.zeros(n, dtype=torch.float64)
        for level in range(self.levels):
            # One number of hidden bases from each stratum.
            share = (level + torch.rand(n, 1, generator=rng)) / self.levels
            number = (1 + (share * length).floor()).clamp_max(length).to(device)
            rank = torch.rand(n, length, generator=rng).argsort(1).argsort(1).to(device)
            nats = masked_nats(denoiser, codes, rank, number, condition)
            total += nats.cpu().to(torch.float64) / self.levels
        return total

    def measures(self) -> list[Measure]:
        """What the number is."""
        how = "exact" if self.kind == "autoregressive" else "upper bound"
        return [Measure("bits_per_base", "bits per base", f"Held-out sequences, {how}.")]
