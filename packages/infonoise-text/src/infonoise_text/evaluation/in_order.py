"""What text costs token by token behind the tokens before it, where the network says it exactly."""

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from infonoise_core.evaluation.discrete import costs_of
from infonoise_core.evaluation.likelihood import Bound, parts, per_unit
from infonoise_core.evaluation.measures import Measure
from infonoise_core.processes.denoiser import Denoiser
from infonoise_text.codes.book import Codes
from infonoise_text.data.corpus import Split
from infonoise_text.data.windows import held_out
from infonoise_text.evaluation.bound import TextEvaluation, likelihood_measures, per_byte
from infonoise_text.models.denoiser import CENTRE, BitDenoiser
from infonoise_text.models.vocabulary import Vocabulary

# Beside whole windows, what measures of text in order are called by.
_IN_ORDER, _SAID = "in_order_", " in order"


def told_nats(
    denoiser: Denoiser, tokens: Vocabulary, x0: Tensor, unknown: Tensor | None = None
) -> Tensor:
    """(n,) nats of the bits x0 (n, L, m), each token's behind the clean ones before it.

    Of a denoiser that is blind to the bits themselves: an exact negative log-likelihood.

    Args:
        tokens: That it tells.
        unknown: (n, L) bool, those that count; all by default.
    """
    nothing, sigma = torch.full_like(x0, CENTRE), x0.new_ones(len(x0))
    nats, _ = tokens.cost(denoiser(nothing, sigma, joint=True, before=x0), x0)
    return (nats if unknown is None else nats * unknown).sum(1)


def told_costs(
    denoiser: nn.Module, book: Codes, ids: Tensor, unknown: Tensor | None = None
) -> Tensor:
    """The same of ids (n, L), in evaluation mode, (n,) float64 on the CPU."""
    bits = cast(BitDenoiser, denoiser)
    tokens = cast(Vocabulary, bits.groups)

    @torch.no_grad()
    def cost(rows: slice, device: torch.device) -> Tensor:
        x0 = book.encode(ids[rows].to(device)).to(torch.float32)
        return told_nats(
            denoiser, tokens, x0, None if unknown is None else unknown[rows].to(device)
        )

    return costs_of(denoiser, cost, len(ids), bits.at_once(ids))


class InOrder:
    """Bits per byte of averaged weights on fixed held-out windows, read from left to right.

    Args:
        split: Never the training split.
        windows: How many at most.
    """

    def __init__(self, split: Split, book: Codes, length: int, windows: int) -> None:
        self.floors: Mapping[str, float] = {}
        self._windows, self._tokens_per_byte = held_out(split, length, windows)
        self._book, self._lossless = book, split.lossless

    def bound(self, denoiser: nn.Module) -> Bound:
        """Per token."""
        return per_unit(self._nats(denoiser), self._windows.units)

    def by_example(self, denoiser: nn.Module) -> Tensor:
        """(n,) bits per byte of each window, of which the first measure is the mean."""
        found = parts(self._nats(denoiser), self._windows.units)
        return found * (self._tokens_per_byte / math.log(2))

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """Bits per byte and nats per token, with standard errors."""
        return per_byte(self.bound(denoiser), self._tokens_per_byte)

    def measures(self) -> list[Measure]:
        """What the numbers are, for tables and reports."""
        return likelihood_measures(
            "The negative log-likelihood of held-out windows of text, each token behind those"
            " before it, by the averaged weights",
            lossless=self._lossless,
        )

    def _nats(self, denoiser: nn.Module) -> Tensor:
        known = self._windows.known
        return told_costs(
            denoiser, self._book, self._windows.ids, None if known is None else ~known
        )


class BothWays:
    """Whole windows, which are what noise levels serve, and beside them the same text in order."""

    def __init__(self, whole: TextEvaluation, ordered: InOrder) -> None:
        self.whole, self.ordered = whole, ordered
        self.floors: Mapping[str, float] = {**whole.floors}

    def by_example(self, denoiser: nn.Module) -> Tensor | None:
        """(n,) bits per byte of each whole window."""
        return self.whole.by_example(denoiser)

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """The measures of both, with standard errors."""
        ordered = self.ordered(denoiser)
        return self.whole(denoiser) | {f"{_IN_ORDER}{name}": v for name, v in ordered.items()}

    def measures(self) -> list[Measure]:
        """What the numbers are; schedules are ranked by whole windows."""
        beside = [
            Measure(f"{_IN_ORDER}{one.name}", f"{one.label}{_SAID}", one.explanation)
            for one in self.ordered.measures()
        ]
        return [*self.whole.measures(), *beside]
