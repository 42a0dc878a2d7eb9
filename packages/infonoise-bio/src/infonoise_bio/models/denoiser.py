"""The denoiser of DNA: exact posterior of independent bases plus residual logits of a network."""

import copy
import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED
from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.encoding import Encoding, probabilities
from infonoise_bio.models.lengths import places_of
from infonoise_bio.models.network import Network, NoiseEmbedding
from infonoise_core.errors import InputError

# What the network is shown of each base: two groups of A C G T and two flags.
_GROUPS, _FLAGS = 2, 2


class BaseDenoiser(nn.Module):
    """`D(x, sigma, **condition)` -> E[x0 | x], the mean point of the encoding (n, C, L).

    The logits of bases are those of independent bases in Gaussian noise, exact, plus the network's
    residual, which is zero before training: the untrained model is the exact posterior. All of it
    is computed in float32 at least, whatever the network computes in.

    Conditions, all optional, first dimension n:

    - label (n,) int64 class, len(classes) for "not given".
    - activity (n, k) numbers, NaN for "not given".
    - given (n, L) codes of bases that are known and stay, 4 where a base is to be found.
    - mask (n, L) bool, False where there is no base: neither seen nor predicted; D is the
      encoding's origin there, which is also what `encode` has there.
    - length (n,) int64 bases of each sequence, where they differ: the network computes what it
      would of the sequence alone, and there is no base from there on.
    """

    log_prior: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig, encoding: Encoding) -> None:
        super().__init__()
        self.config, self.encoding = config, encoding
        embedding = 2 * config.network.width
        self.noise = NoiseEmbedding(embedding)
        classes, activities = len(config.conditions.classes), len(config.conditions.activities)
        self.label = nn.Embedding(classes + 1, embedding) if classes else None
        self.activity = nn.Linear(2 * activities, embedding) if activities else None
        self.network = Network(config.network, config.length, _GROUPS, _FLAGS, embedding)
        prior = torch.tensor(config.frequencies, dtype=torch.float64).log()
        self.register_buffer("log_prior", prior, persistent=False)
        for name, values in (("mean", config.conditions.mean), ("std", config.conditions.std)):
            self.register_buffer(name, torch.tensor(values), persistent=False)
        # Distance of the points from their mean, and its root mean square along one of them.
        centred = encoding.codebook - encoding.codebook.mean(0)
        self._radius = float(centred[0].norm())
        self._signal = float((centred @ centred[0]).square().mean().sqrt()) / self._radius

    def forward(
        self,
        x: Tensor,
        sigma: Tensor,
        label: Tensor | None = None,
        activity: Tensor | None = None,
        given: Tensor | None = None,
        mask: Tensor | None = None,
        length: Tensor | None = None,
        logits: bool = False,
    ) -> Tensor:
        """x (n, C, L) = x0 + sigma eps, sigma (n,); with `logits`, those of A C G T (n, 4, L)."""
        mask = known_places(mask, length, x.shape[2])
        found = self.logits(x, sigma, label, activity, given, mask, length)
        return found if logits else mean_point(found, self.encoding, given, mask)

    def logits(
        self,
        x: Tensor,
        sigma: Tensor,
        label: Tensor | None = None,
        activity: Tensor | None = None,
        given: Tensor | None = None,
        mask: Tensor | None = None,
        length: Tensor | None = None,
    ) -> Tensor:
        """(n, 4, L) logits of A C G T where bases are to be found; arguments as in `forward`."""
        if sigma.shape != x.shape[:1]:
            raise InputError(
                f"sigma of shape {tuple(sigma.shape)} for x of shape {tuple(x.shape)}:"
                " give one noise level per sequence"
            )
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        sigma = sigma.to(x)
        filtered = self.encoding.logits(x, sigma)
        exact = filtered + self.log_prior.to(x)[:, None]
        there = known_places(mask, length, x.shape[2])
        features = self._features(filtered, exact, sigma, given, there)
        residual: Tensor = self.network(features, self._embedding(sigma, label, activity), length)
        return exact + residual.to(x.dtype)

    def log_probs(self, x: Tensor, sigma: Tensor, **condition: Tensor | None) -> Tensor:
        """(n, 4, L) natural logarithms of the posterior of A C G T."""
        return torch.log_softmax(self.logits(x, sigma, **condition), 1)

    def _features(
        self,
        filtered: Tensor,
        exact: Tensor,
        sigma: Tensor,
        given: Tensor | None,
        mask: Tensor | None,
    ) -> Tensor:
        """What the network is shown (n, 10, L).

        The matched filter at unit size, the exact posterior, and whether a base is there and given.
        """
        n, _, length = filtered.shape
        a, c, g, t = (filtered[:, i : i + 1] for i in range(4))
        # Off their mean, added up so that the strands agree to the last bit.
        centred = filtered - ((a + t) + (c + g)) / 4
        size = sigma.square() / (self._radius * (sigma.square() + self._signal**2).sqrt())
        seen = centred * size[:, None, None]
        probs = 4 * probabilities(exact) - 1
        there = torch.ones(n, 1, length, dtype=filtered.dtype, device=filtered.device)
        known = torch.zeros_like(there)
        if given is not None:
            known = (given != MASKED)[:, None].to(filtered)
            clean = 4 * _one_hot(given, filtered) - 1
            seen = seen * (1 - known)
            probs = torch.where(known.bool(), clean, probs)
        features = torch.cat([seen, probs, there, known], 1)
        return features if mask is None else features.masked_fill(~mask[:, None], 0.0)

    def _embedding(self, sigma: Tensor, label: Tensor | None, activity: Tensor | None) -> Tensor:
        # In units of the code, so that its scale is nothing the network has to learn.
        embedding: Tensor = self.noise((sigma / self._signal).log())
        conditions = self.config.conditions
        _refuse("label", label, self.label)
        _refuse("activity", activity, self.activity)
        if self.label is not None:
            if label is None:
                label = torch.full(sigma.shape, len(conditions.classes), device=sigma.device)
            embedding = embedding + self.label(label)
        if self.activity is not None:
            if activity is None:
                activity = sigma.new_full((len(sigma), len(conditions.activities)), math.nan)
            given = ~activity.isnan()
            unit = (activity.to(sigma) - self.mean.to(sigma)) / self.std.to(sigma)
            value = torch.where(given, unit, 0.0)
            both = torch.cat([value, given.to(value)], 1).to(embedding.dtype)
            embedding = embedding + self.activity(both)
        return nn.functional.silu(embedding)


class IndependentBases(nn.Module):
    """The exact denoiser of independent bases, for anything that asks for a denoiser.

    Same arguments as BaseDenoiser; label, activity and length say nothing to it.

    Args:
        frequencies: (4,) of A C G T.
    """

    log_prior: Tensor

    def __init__(self, encoding: Encoding, frequencies: Tensor) -> None:
        super().__init__()
        self.encoding = encoding
        # A parameter, not a buffer: it says on which device the denoiser is.
        self.log_prior = nn.Parameter(frequencies.log(), requires_grad=False)

    def forward(
        self,
        x: Tensor,
        sigma: Tensor,
        label: Tensor | None = None,
        activity: Tensor | None = None,
        given: Tensor | None = None,
        mask: Tensor | None = None,
        length: Tensor | None = None,
    ) -> Tensor:
        """x (n, C, L), sigma (n,) -> E[x0 | x] (n, C, L), by `Encoding.denoise`."""
        denoised = self.encoding.denoise(x, sigma, self.log_prior)
        return _settled(denoised, self.encoding, given, known_places(mask, length, x.shape[2]))


def make_denoiser(config: ModelConfig, encoding: Encoding, seed: int) -> BaseDenoiser:
    """A freshly initialised denoiser, the same for the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BaseDenoiser(config, encoding)


def mean_point(
    logits: Tensor, encoding: Encoding, given: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """E[x0 | x] (n, C, L) by logits (n, 4, L) of A C G T; the others as in `BaseDenoiser`."""
    return _settled(encoding.mean(probabilities(logits)), encoding, given, mask)


def known_places(mask: Tensor | None, length: Tensor | None, longest: int) -> Tensor | None:
    """(n, L) where there is a base: by the mask, and within the length; None for everywhere."""
    if length is None:
        return mask
    inside = places_of(length, longest)
    return inside if mask is None else inside & mask


def of_length(denoiser: BaseDenoiser, length: int | None) -> BaseDenoiser:
    """The same network for sequences of one length, which need no padding.

    Raises:
        InputError: For a length that it was not trained with.
    """
    longest = denoiser.config.length
    if length is None or (length == longest and denoiser.config.lengths is None):
        return denoiser
    if denoiser.config.lengths is None:
        raise InputError(
            f"--length {length}: the model was trained on sequences of {longest} bases and makes no"
            " others; leave it out, or train with --lengths as-they-are"
        )
    if not 1 <= length <= longest:
        raise InputError(
            f"--length {length}: the longest sequence of training had {longest} bases; give 1 to"
            f" {longest}"
        )
    own = copy.copy(denoiser)  # the weights are shared
    own.config = replace(denoiser.config, length=length, lengths=None)
    return own


def _one_hot(codes: Tensor, like: Tensor) -> Tensor:
    """(n, 4, L) of codes (n, L); zero where masked."""
    return nn.functional.one_hot(codes.long(), MASKED + 1)[..., :MASKED].transpose(1, 2).to(like)


def _settled(x0: Tensor, encoding: Encoding, given: Tensor | None, mask: Tensor | None) -> Tensor:
    """x0 (n, C, L) with the points of given bases, and the origin where there is no base."""
    if given is not None:
        x0 = torch.where((given != MASKED)[:, None], encoding.encode(given).to(x0), x0)
    return x0 if mask is None else x0.masked_fill(~mask[:, None], encoding.origin)


def _refuse(name: str, value: Tensor | None, module: nn.Module | None) -> None:
    if value is not None and module is None:
        raise InputError(f"{name} given to a model that was trained without one; leave it out")
