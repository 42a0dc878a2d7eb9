"""What a model of text is worth: a likelihood bound, and what is wrong with its samples."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_core.evaluation import likelihood
from infonoise_core.evaluation.held_out import HeldOutError, profile_places
from infonoise_core.evaluation.likelihood import Bound, Reference, prior_nats
from infonoise_core.evaluation.measures import Measure
from infonoise_core.rng import Stream, generator
from infonoise_core.training.task import Batch
from infonoise_text.codes.book import Codes
from infonoise_text.data.corpus import Split
from infonoise_text.data.windows import Examples, held_out
from infonoise_text.evaluation.control import (
    CodeLaw,
    bit_rates,
    bit_spread,
    control_width,
    token_counts,
)
from infonoise_text.models.denoiser import SIGMA_DATA, SIGMA_LAST, evidence

# Examples that the denoiser sees at a time.
_CHUNK = 128
# Beside bits per byte of a tokenizer that does not give all text back.
NOT_COMPARABLE = "not comparable: the tokenizer loses text"


# A denoiser's bound on windows that are fixed, and how it is made for windows.
BoundOf = Callable[[nn.Module], Bound]
MakeBound = Callable[[Examples], BoundOf]


class SecondPass(nn.Module):
    """A denoiser called twice: the second time it sees what it believed the first time.

    It is a function of x and sigma alone, so what bounds hold for a denoiser hold for it.
    """

    def __init__(self, denoiser: nn.Module) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x: Tensor, sigma: Tensor, logits: bool = False, **condition: Any) -> Tensor:
        """The denoiser's second answer (n, L, m) to x (n, L, m), sigma (n,) and its conditions.

        Args:
            logits: Its log-odds instead.
        """
        first = self.denoiser(x, sigma, **condition)
        second: Tensor = self.denoiser(x, sigma, previous=first, logits=logits, **condition)
        return second


class LikelihoodBound(likelihood.LikelihoodBound):
    """Upper bound on the negative log-likelihood of windows of tokens, exact in continuous time.

    That of `infonoise_core.evaluation.likelihood`, with the cross entropy of the bits given x at
    the lowest level, and the KL divergence at sigma_max from a Gaussian with the mean and variance
    of fair bits. What the noises happen to cost tokens that know nothing of each other, of the
    frequencies in `counts`, is taken out by regression over windows, each half's slope fitted to
    the other, and levels are as dense as the error of a bit is noisy.

    Args:
        ids: (n, L).
        known: (L,) or (n, L) bool, tokens that are given and cost nothing.
        units: (n,) tokens that costs are counted per; by default those that are not given.
        ordered: Whether the denoiser's blocks stand behind the clean tokens before them.
        counts: (size,) of tokens, by any text: they change the noise of the bound and not what it
            bounds. Without, as in the first releases, levels are even in log sigma, noises are
            independent, and the reference are fair bits.
    """

    def __init__(
        self,
        ids: Tensor,
        book: Codes,
        sigma_max: float,
        *,
        sigma_0: float = SIGMA_LAST,
        known: Tensor | None = None,
        levels: int = 16,
        seed: int = 0,
        counts: Tensor | None = None,
        units: Tensor | None = None,
        ordered: bool = False,
    ) -> None:
        if not 0 < sigma_0 < sigma_max:
            raise InputError(
                f"--sigma-max {sigma_max:g}: bits are already certain at"
                f" {sigma_0:g}; give a higher one"
            )
        x0 = book.encode(ids).to(torch.float32)
        unknown = torch.full((len(ids),), ids.shape[1])
        self._condition: dict[str, Tensor] = {}
        if known is not None:
            known = known.expand(ids.shape)
            unknown = (~known).sum(1)
            self._condition = {"known": known, "clean": x0}
        if ordered:
            self._condition["before"] = x0
        if int(unknown.min()) < 1:
            raise InputError("every token is given, so there is nothing to bound: leave some out")
        self._sigma_0 = sigma_0
        noise = generator(seed, Stream.EVALUATE, levels)
        self._x0, self._x = x0, x0 + sigma_0 * torch.randn(x0.shape, generator=noise)
        rates = bit_rates(sigma_0, sigma_max)
        free = unknown * book.bits
        batch = Batch(x0, self._condition)
        if counts is None:
            error = HeldOutError(batch, sigma_0, sigma_max, levels, seed, _CHUNK)
            reference = Reference(_FairBits(), rates.entropy() * free, fitted=True)
        else:
            offset = float(torch.rand((), generator=generator(seed, Stream.EVALUATE, levels + 1)))
            error = HeldOutError(
                batch, sigma_0, sigma_max, levels, seed, _CHUNK,
                places=profile_places(bit_spread(sigma_0, sigma_max)), offset=offset,
            )  # fmt: skip
            law = CodeLaw(book, counts, control_width(book.bits, levels * ids.numel()))
            nats = law.nats(x0, sigma_max)
            if known is not None:
                nats = nats * ~known
            reference = Reference(law, nats.sum(1), fitted=True, crossed=True)
        super().__init__(
            error,
            unknown if units is None else units,
            free * prior_nats(SIGMA_DATA**2, SIGMA_DATA**2, sigma_max),
            last=self._last_nats,
            reference=reference,
        )

    @torch.no_grad()
    def _last_nats(self, denoiser: nn.Module) -> Tensor:
        """(n,) cross entropy of the bits given x at the lowest level."""
        device = next(denoiser.parameters()).device
        parts = []
        for start in range(0, len(self._x), _CHUNK):
            rows = slice(start, start + _CHUNK)
            x, x0 = self._x[rows].to(device), self._x0[rows].to(device)
            condition = {name: v[rows].to(device) for name, v in self._condition.items()}
            log_odds = denoiser(
                x, x.new_full((len(x),), self._sigma_0), logits=True, **condition
            ).to(torch.float32)
            nats = functional.binary_cross_entropy_with_logits(log_odds, x0, reduction="none")
            if "known" in condition:
                nats = nats * ~condition["known"][..., None]
            parts.append(nats.flatten(1).sum(1).cpu().to(torch.float64))
        return torch.cat(parts)


class _FairBits(nn.Module):
    """The posterior mean of fair bits that know nothing of each other."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(()))

    def forward(
        self,
        x: Tensor,
        sigma: Tensor,
        known: Tensor | None = None,
        clean: Tensor | None = None,
        before: Tensor | None = None,
    ) -> Tensor:
        """Of x's shape."""
        denoised = evidence(x, sigma).sigmoid()
        if known is None or clean is None:
            return denoised
        return torch.where(known[..., None], clean, denoised)


def per_byte(bound: Bound, tokens_per_byte: float) -> dict[str, float]:
    """The measures of every model of text, with their standard errors."""
    bits = bound.in_bits(tokens_per_byte)
    return {
        "bits_per_byte": bits.value,
        "bits_per_byte_stderr": bits.stderr,
        "nats_per_token": bound.nats,
        "nats_per_token_stderr": bound.stderr,
    }


class TextEvaluation:
    """Bits per byte of averaged weights on fixed held-out windows, levels and noises.

    Args:
        split: Never the training split.
        windows: How many at most.
        passes: 2 lets the denoiser see its own first answer, at twice the evaluations.
        make_bound: Of windows, in place of `LikelihoodBound`.
        controlled: Whether the noise of the bound is taken out by the frequencies of the split's
            tokens.
        ordered: As of `LikelihoodBound`.
    """

    def __init__(
        self,
        split: Split,
        book: Codes,
        length: int,
        sigma_max: float,
        *,
        windows: int = 64,
        passes: int = 1,
        seed: int = 0,
        make_bound: MakeBound | None = None,
        controlled: bool = True,
        ordered: bool = False,
    ) -> None:
        if passes not in (1, 2):
            raise InputError(f"--passes {passes}: give 1 or 2")
        self.passes = passes
        self.floors: Mapping[str, float] = {}
        found, self._tokens_per_byte = held_out(split, length, windows)
        if make_bound is None:
            counts = _counts(split, found, book.size) if controlled else None
            self._bound: BoundOf = LikelihoodBound(
                found.ids, book, sigma_max, known=found.known, units=found.units, seed=seed,
                counts=counts, ordered=ordered,
            )  # fmt: skip
        else:
            self._bound = make_bound(found)
        self._lossless = split.lossless

    def bound(self, denoiser: nn.Module) -> Bound:
        """Per token."""
        return self._bound(self._seen(denoiser))

    def by_example(self, denoiser: nn.Module) -> Tensor | None:
        """(n,) bits per byte of each window, of which the bound is the mean.

        None where levels of several parts of a text are bounded together.
        """
        if not isinstance(self._bound, LikelihoodBound):
            return None
        found = self._bound.by_example(self._seen(denoiser))
        return found * (self._tokens_per_byte / math.log(2))

    def share_control(self, other: "TextEvaluation") -> None:
        """Where both bound the same windows with the same noises, in different ways."""
        if isinstance(self._bound, LikelihoodBound) and isinstance(other._bound, LikelihoodBound):
            self._bound.share_control(other._bound)

    def _seen(self, denoiser: nn.Module) -> nn.Module:
        return SecondPass(denoiser) if self.passes == 2 else denoiser

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """Bits per byte and nats per token, with standard errors."""
        return per_byte(self.bound(denoiser), self._tokens_per_byte)

    def measures(self) -> list[Measure]:
        """What the numbers are, for tables and reports."""
        return likelihood_measures(
            "Upper bound on the negative log-likelihood of held-out text, from the squared error of"
            " the averaged weights on a fixed set of noise levels and noises",
            lossless=self._lossless,
        )


def _counts(split: Split, windows: Examples, size: int) -> Tensor:
    """(size,) how often each token is in the split, or is noised in its padded windows."""
    if split.packed:
        return token_counts(split.ids, size)
    ids = windows.ids if windows.known is None else windows.ids[~windows.known]
    return token_counts(ids.flatten().numpy(), size)


def likelihood_measures(explanation: str, *, lossless: bool) -> list[Measure]:
    """Of a likelihood, or of a bound on one.

    Args:
        lossless: Whether the tokenizer gives all text back; where it does not, less is paid for
            than the bytes it is divided by, and other tokenizers cannot be compared.
    """
    label, per_byte = "bits per byte", f"{explanation}, per byte of UTF-8."
    if not lossless:
        label = f"{label} ({NOT_COMPARABLE})"
        per_byte = f"{per_byte} The tokenizer loses text, so this is lower than it should be."
    return [
        Measure("bits_per_byte", label, per_byte),
        Measure("nats_per_token", "nats per token", f"{explanation}, per token."),
    ]
