"""Windows of bits as a denoising task: what core's loop trains on."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.weighting import Weight, edm_weight, unit_weight
from infonoise_core.training.task import Batch, Losses, PartLosses
from infonoise_text.codes.book import Codes
from infonoise_text.data.corpus import Split
from infonoise_text.data.spans import block_starts, random_spans
from infonoise_text.data.windows import windows_of
from infonoise_text.evaluation.in_order import told_nats
from infonoise_text.methods.options import Objective
from infonoise_text.models.denoiser import CENTRE, SIGMA_DATA
from infonoise_text.models.groups import Groups
from infonoise_text.models.vocabulary import Vocabulary


def weighting(objective: Objective) -> Weight:
    """Of the squared error in the loss; cross entropy has none."""
    return edm_weight(SIGMA_DATA) if objective.cost == "edm" else unit_weight()


@dataclass(frozen=True)
class IdBatch(Batch):
    """A batch on its way to the device.

    x0 holds ids (n, L) until `to` has moved them and made them bits (n, L, m), which would take 4 m
    times the room.
    """

    book: Codes = field(kw_only=True)

    def to(self, device: torch.device) -> Batch:
        bits = self.book.encode(self.x0.to(device)).to(torch.float32)
        return Batch(bits, {k: v.to(device) for k, v in self.condition.items()})


class TextTask:
    """Denoise the bits of windows of text.

    A share of the examples sees what a first pass believed (self-conditioning), and a share is
    given some of its tokens; of pairs all are given the prompt. Given tokens count in no loss, and
    the ends that fill up a window do, for they say where the text ends. What is random here comes
    from torch's global generator, which the loop seeds anew for every step.
    """

    unit = "tokens"

    def __init__(
        self,
        split: Split,
        book: Codes,
        denoiser: nn.Module,
        objective: Objective,
        stride: int | None = None,
    ) -> None:
        self.windows = windows_of(split, objective.length, stride)
        self.book, self.denoiser, self.objective = book, denoiser, objective
        self.length = self.units = objective.length
        self.dim = self.length * book.bits
        # Losses are means over the bits that are not given.
        self.free = self.windows.free * book.bits
        self._weight = weighting(objective)
        self._groups: Groups | Vocabulary | None = getattr(denoiser, "groups", None)
        self._block: int = getattr(denoiser, "block", 0)
        self._ordered = objective.ordered if self._block else 0.0
        self._blind: bool = getattr(denoiser, "blind", False)
        self._no_belief: float = getattr(denoiser, "no_belief", CENTRE)

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, index: np.ndarray) -> Batch:
        found = self.windows.examples(index)
        given = {} if found.known is None else {"known": found.known}
        return IdBatch(found.ids, given, book=self.book)

    def losses(
        self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor
    ) -> Losses | PartLosses:
        """The mean loss (n,) over an example's bits, and the plain sum (n,) of squared errors.

        A share of the examples is learned in blocks. Both kinds are in every batch of two or more,
        so that all processes call the network alike; one example alone is learned as both. Where
        the network is blind to noise in blocks, what is learned in them has no level.
        """
        n, share = len(batch.x0), self._ordered
        x = batch.x0 + sigma[:, None, None] * eps
        if share in (0, 1):
            return self._losses(denoiser, batch, x, sigma, ordered=share == 1)
        if n == 1:
            one, other = (self._losses(denoiser, batch, x, sigma, ordered=o) for o in (True, False))
            loss = share * one.loss + (1 - share) * other.loss
            error = other.squared_error
            if one.squared_error is not None and error is not None:
                error = share * one.squared_error + (1 - share) * error
            return Losses(loss, error)
        first = min(max(math.floor(n * share + float(torch.rand(()))), 1), n - 1)
        order = torch.randperm(n, device=x.device)
        parts = []
        for rows, ordered in ((order[:first], True), (order[first:], False)):
            some = Batch(batch.x0[rows], {k: v[rows] for k, v in batch.condition.items()})
            parts.append(self._losses(denoiser, some, x[rows], sigma[rows], ordered=ordered))
        back = order.argsort()
        loss = torch.cat([part.loss for part in parts])[back]
        errors = [part.squared_error for part in parts if part.squared_error is not None]
        if len(errors) < len(parts):
            return PartLosses(loss, errors[0], order[first:])
        return Losses(loss, torch.cat(errors)[back])

    def _losses(
        self, denoiser: Denoiser, batch: Batch, x: Tensor, sigma: Tensor, *, ordered: bool
    ) -> Losses:
        """Of examples that are all learned in one way."""
        tokens = self._groups
        if not (ordered and self._blind and isinstance(tokens, Vocabulary)):
            return Losses(*self._told(denoiser, batch, x, sigma, ordered=ordered))
        known = batch.condition.get("known")
        unknown = None if known is None else ~known
        return Losses(told_nats(denoiser, tokens, batch.x0, unknown) / self.free, None)

    def _told(
        self, denoiser: Denoiser, batch: Batch, x: Tensor, sigma: Tensor, *, ordered: bool
    ) -> tuple[Tensor, Tensor]:
        """Losses and squared errors, (n,) each."""
        x0 = batch.x0
        denoised, nats, unknown = self._answer(denoiser, batch, x, sigma, ordered=ordered)
        error = ((denoised - x0).square() * unknown).flatten(1).sum(1)
        if nats is None:
            return self._weight(sigma) * error / self.free, error.detach()
        return nats / self.free, error.detach()

    def _answer(
        self,
        denoiser: Denoiser,
        batch: Batch,
        x: Tensor,
        sigma: Tensor,
        *,
        ordered: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """What the denoiser says of bits, some tokens given, some believed, and where it counts.

        Args:
            ordered: Whether each block stands behind the clean tokens before it.

        Returns:
            (n, L, m) how likely bits are 1, (n,) cross entropy if that is the loss, and (n, L, 1)
            bool, which tokens are not given.
        """
        known = self._given(len(x), x.device, ordered=ordered)
        if "known" in batch.condition:
            known = known | batch.condition["known"]
        condition: dict[str, Any] = {**batch.condition, "known": known, "clean": batch.x0}
        if ordered:
            condition["before"] = batch.x0
        condition["previous"] = self._first_pass(denoiser, x, sigma, condition)
        unknown, cost = ~known[..., None], self.objective.cost
        if cost == "groups" and self._groups is not None:
            answer = denoiser(x, sigma, joint=True, **condition)
            nats, probs = self._groups.cost(answer, batch.x0)
            return probs, (nats * ~known).sum(1), unknown
        logits = denoiser(x, sigma, logits=True, **condition)
        if cost == "edm":
            return logits.sigmoid(), None, unknown
        return logits.sigmoid(), self._nats(logits, batch.x0, unknown), unknown

    def _given(self, n: int, device: torch.device, *, ordered: bool) -> Tensor:
        """(n, L) bool, tokens that are given: some anywhere, or the first ones of blocks."""
        share = self.objective.infill
        if ordered:
            return block_starts(n, self.length, self._block, share, device)
        return random_spans(n, self.length, share, device)

    @staticmethod
    def _nats(logits: Tensor, x0: Tensor, unknown: Tensor) -> Tensor:
        """(n,) cross entropy."""
        entropy = functional.binary_cross_entropy_with_logits(logits, x0, reduction="none")
        return (entropy * unknown).flatten(1).sum(1)

    def _first_pass(
        self, denoiser: Denoiser, x: Tensor, sigma: Tensor, condition: dict[str, Tensor]
    ) -> Tensor:
        """(n, L, m) beliefs: of a first pass for a share of the examples, none for the others."""
        alone = "before" in condition and self._block == 1
        n, share = len(x), 0.0 if alone else self.objective.self_cond
        previous = torch.full_like(x, self._no_belief)
        if share == 0:
            return previous
        # A number of examples, not a mask, so that nothing waits for the device; on average right.
        chosen = math.floor(n * share + float(torch.rand(())))
        # Processes draw different numbers but must call the network equally often: where weights
        # are split over them, each call gathers them from all. So none chosen costs a call too.
        rows = torch.randperm(n, device=x.device)[: max(chosen, 1)]
        with torch.no_grad():
            part = {name: value[rows] for name, value in condition.items()}
            first = denoiser(x[rows], sigma[rows], **part)
        return previous.index_copy(0, rows, first) if chosen else previous
