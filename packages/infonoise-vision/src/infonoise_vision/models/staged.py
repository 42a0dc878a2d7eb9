"""A denoiser whose network works at fewer pixels where the noise is high: staged diffusion.

With every doubling of the noise the finest details of an image are lost first (Batzolis et al.
2022, arXiv 2207.09786). In stage k, between the levels births[k-1] and births[k], images are known
by their coarse Haar part c_k alone, and the network works at that side. c_k + sigma eps is an
ordinary noisy image of half the side for every k, as the transform is orthonormal, so one noise
level stands for all, and schedules, grids and solvers need not know of stages.

A fine band is born on the way down, as Gaussian with the mean that a linear filter of its coarse
neighbours gives. What that costs is known: see `evaluation.births`.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import EDMDenoiser
from infonoise_vision.models.haar import ORIENTATIONS, join, split
from infonoise_vision.models.lead import BandLevels
from infonoise_vision.models.pairs import PAIR_DATA, coefficients_at, planes_at, reflected

# Side of the filter of a newborn band.
FILTER = 5


class Birth(NamedTuple):
    """How the details of one halving come to be; all of one data set.

    Attributes:
        level: Noise of the image that they are born into; their own is `lead` times as much.
        coarse_rms: () rms of the coarse part beside them.
        detail_rms: (3,) of each orientation.
        filter: (3 c, c, 5, 5) their mean, given the noisy coarse part.
        covariance: (3 c, 3 c) of what is left at one place.
        pair_filter: (3 c, 4 g, 5, 5) their mean's other part, given the Haar coefficients of pairs
            of g channels; None where there are none.
    """

    level: float
    coarse_rms: Tensor
    detail_rms: Tensor
    filter: Tensor
    covariance: Tensor
    pair_filter: Tensor | None = None


class StagedDenoiser(EDMDenoiser):
    """D(x, sigma) at any side that stages have; the side of x says the finest stage.

    Of x at the full side, where sigma is above a birth: the coarse part by the network at its
    side, the unborn details as Gaussian ones, sigma-shrunk. So it is a denoiser of whole images
    at every level, for bounds, profiles and completions. With a lead above 1 details have noise of
    their own (`infonoise_core.processes.multivariate`); `shaped` says how much.

    Args:
        network: For images of any of the sides.
        shape: (c, h, w) of a whole image.
        stages: How often it is halved.
        unit: What sigma is counted in, as EDM's.
        pair: Channels of what each image is drawn from, whose Haar image of its side the network
            is given in every stage; 0 for none.
        pair_data: About its standard deviation.
        lead: Noise of details where they are born, over that of the image they are born into.
        start: Up to this sigma all bands have one level, as those do for ever where lead is 1.
    """

    births: Tensor
    coarse_rms: Tensor
    detail_rms: Tensor
    filters: Tensor
    covariances: Tensor
    pair_filters: Tensor

    def __init__(
        self,
        network: nn.Module,
        shape: tuple[int, int, int],
        stages: int,
        unit: float = 1.0,
        pair: int = 0,
        pair_data: float = PAIR_DATA,
        lead: float = 1.0,
        start: float = 0.002,
    ) -> None:
        super().__init__(network, unit=unit)
        self.shape, self.stages, self.pair, self.pair_data = shape, stages, pair, pair_data
        self.lead, self.start = lead, start
        c, k = shape[0], stages
        self.register_buffer("births", torch.ones(k).cumsum(0))
        self.register_buffer("coarse_rms", torch.ones(k))
        self.register_buffer("detail_rms", torch.ones(k, ORIENTATIONS))
        self.register_buffer("filters", torch.zeros(k, 3 * c, c, FILTER, FILTER))
        self.register_buffer("covariances", torch.zeros(k, 3 * c, 3 * c))
        if pair:
            filters = torch.zeros(k, 3 * c, 4 * pair, FILTER, FILTER)
            self.register_buffer("pair_filters", filters)

    def set_births(self, births: list[Birth]) -> None:
        """Take what was measured of the data, finest band first."""
        self.births.copy_(torch.tensor([birth.level for birth in births]))
        self.coarse_rms.copy_(torch.stack([birth.coarse_rms for birth in births]))
        self.detail_rms.copy_(torch.stack([birth.detail_rms for birth in births]))
        self.filters.copy_(torch.stack([birth.filter for birth in births]))
        self.covariances.copy_(torch.stack([birth.covariance for birth in births]))
        beside = [birth.pair_filter for birth in births if birth.pair_filter is not None]
        if self.pair:
            self.pair_filters.copy_(torch.stack(beside))

    def forward(self, x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        """x (n, c, h, w) of a stage's side, sigma (n,) -> (n, c, h, w)."""
        finest = self._halvings(x)
        stage = self.stage_of(sigma).clamp_min(finest)
        found = sorted(set(stage.tolist()))
        if len(found) == 1:
            return self._from(x, sigma, finest, found[0], condition)
        denoised = torch.empty_like(x, dtype=torch.float32)
        for k in found:
            rows = stage == k
            some = {name: value[rows] for name, value in condition.items()}
            denoised[rows] = self._from(x[rows], sigma[rows], finest, k, some)
        return denoised

    def stage_of(self, sigma: Tensor) -> Tensor:
        """(n,) how often images are halved at each level; a birth's level is below it."""
        return (sigma.to(self.births)[:, None] > self.births).sum(1)

    def born(self, x: Tensor, level: int, noise: Tensor, given: Tensor | None = None) -> Tensor:
        """x (n, c, h, w) of stage level + 1 at its lowest noise -> the next finer one.

        Args:
            noise: (n, 3 c, h, w) unit noise.
            given: (n, g, h', w') pairs, at the full side.
        """
        n, c, h, w = x.shape
        mean = functional.conv2d(reflected(x, FILTER), self.filters[level].to(x))
        if self.pair:
            beside = reflected(coefficients_at(self._paired(given), level), FILTER)
            mean = mean + functional.conv2d(beside, self.pair_filters[level].to(x))
        own = torch.eye(3 * c, device=x.device) * (self.lead * self.births[level]).square()
        factor = torch.linalg.cholesky(self.covariances[level] + own).to(x)
        details = mean + torch.einsum("ij,njhw->nihw", factor, noise.to(x))
        return join(x, details.reshape(n, ORIENTATIONS, c, h, w))

    def unit_error(self, error: Tensor, sigma: Tensor) -> Tensor:
        """The error of x0 as one of the network's output, whose target is of unit size.

        Args:
            error: (n, c, h, w) of a stage's side.
            sigma: (n,) within that stage.
        """
        level = self._halvings(error)
        s = sigma.reshape(-1, 1, 1, 1)
        if level == self.stages:
            return error / _out(s, self._coarsest())
        coarse, details = split(error)
        rms = self.detail_rms[level].reshape(1, -1, 1, 1, 1)
        own = self._detail_noise(sigma, level)
        return join(coarse / _out(s, self.coarse_rms[level]), details / _out(own, rms))

    @property
    def levels(self) -> BandLevels:
        """Of the details of each halving."""
        return BandLevels(self.births, self.lead, self.start, self.shape[1])

    @property
    def uniform(self) -> bool:
        """Whether all bands have one noise level."""
        return self.levels.uniform

    def shaped(self, noise: Tensor, sigma: Tensor) -> Tensor:
        """Noise of states at sigma (n,), from unit noise (n, c, h, w) of any side."""
        return self.levels.shaped(noise, sigma)

    def counted(self, error: Tensor, sigma: Tensor) -> Tensor:
        """The error of x0 (n, c, h, w) whose square over sigma^2 is the rate of information."""
        return self.levels.counted(error, sigma)

    def _detail_noise(self, sigma: Tensor, level: int) -> Tensor:
        """(n, 1, 1, 1, 1) of the details of one halving."""
        return self.levels.noise(sigma, level).reshape(-1, 1, 1, 1, 1)

    def _halvings(self, x: Tensor) -> int:
        return round(math.log2(self.shape[1] / x.shape[2]))

    def _from(
        self, x: Tensor, sigma: Tensor, level: int, stage: int, condition: dict[str, Any]
    ) -> Tensor:
        """x of `level` halvings, denoised in a stage of as many or more."""
        if level == stage:
            return self._within(x, sigma, stage, condition)
        coarse, details = split(x)
        square = self.detail_rms[level].square().reshape(1, -1, 1, 1, 1)
        shrunk = details * square / (square + self._detail_noise(sigma, level).square())
        return join(self._from(coarse, sigma, level + 1, stage, condition), shrunk)

    def _within(self, x: Tensor, sigma: Tensor, k: int, condition: dict[str, Any]) -> Tensor:
        """EDM's preconditioning of each band by its own size."""
        s = sigma.to(torch.float32).reshape(-1, 1, 1, 1)
        c_noise = (sigma.to(torch.float32) / self.unit).log() / 4
        if self.pair:
            beside = ("given", "given_noise", "withheld")
            rest = {name: value for name, value in condition.items() if name not in beside}
            given = self._paired(condition.get("given"))
            planes = planes_at(given, k, self.pair_data, condition.get("withheld"))
            condition = {**rest, "given": planes}
        if k == self.stages:
            rms = self._coarsest()
            total = (s.square() + rms.square()).sqrt()
            output = self.network(x / total, c_noise, **condition).to(torch.float32)
            denoised: Tensor = rms.square() / total.square() * x + _out(s, rms) * output
            return denoised
        rough, fine = self.coarse_rms[k], self.detail_rms[k].reshape(1, -1, 1, 1, 1)
        wide = self._detail_noise(sigma, k).to(torch.float32)
        y, z = split(x)
        scaled = join(
            y / (s.square() + rough.square()).sqrt(), z / (wide.square() + fine.square()).sqrt()
        )
        f, g = split(self.network(scaled, c_noise, **condition).to(torch.float32))
        return join(
            rough.square() / (s.square() + rough.square()) * y + _out(s, rough) * f,
            fine.square() / (wide.square() + fine.square()) * z + _out(wide, fine) * g,
        )

    def _paired(self, given: Tensor | None) -> Tensor:
        if given is None:
            raise InputError("this network was trained with pairs: give those of the images")
        return given

    def _coarsest(self) -> Tensor:
        rms: Tensor = self.coarse_rms[-1]
        return rms


def _out(sigma: Tensor, rms: Tensor) -> Tensor:
    """What the network's output of unit size is multiplied with."""
    return sigma * rms / (sigma.square() + rms.square()).sqrt()
