"""Noise levels drawn from a table over log-sigma bins: what all schedules that learn do."""

from typing import Any

import torch
from torch import Tensor

from infonoise_core.binning import same_edges
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.fixed import FixedLaw, uniforms
from infonoise_core.schedules.knowledge import of_rate
from infonoise_core.schedules.status import log_of

# Of the states that schedules save.
VERSION = 1


class TableLaw:
    """Density per unit log sigma, constant over each of K bins; it starts as the base's.

    Args:
        base: The distribution before anything is learned.
        bins: Cells of the log-sigma grid (the channel may give fewer).
        stratified: As in FixedLaw.
    """

    def __init__(
        self, channel: Channel, base: FixedLaw, bins: int = 64, stratified: bool = True
    ) -> None:
        self.channel = channel
        self.base = base
        self.stratified = stratified
        self.edges = channel.edges(bins)
        self._width = self.edges.log().diff()
        self._base = base.cdf(self.edges).diff() / self._width
        self._density = self._base.clone()
        # What draws read, on the device where they happen. Updated in place, so that a captured
        # graph sees the new table.
        self._drawn = self._density.clone()
        self._lines = self._inverse(self._density)
        self._starts = self._lines[0, 1:]
        self._log_edges = self.edges.log()

    @property
    def inverse(self) -> Tensor:
        """(3, K), see `_inverse`: what draws read."""
        return self._lines

    def sample(
        self,
        n: int,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
        ranks: tuple[int, int] | None = None,
    ) -> Tensor:
        """(n,) noise levels in the channel's coordinate: inverse cdf, log-uniform inside a bin.

        Args:
            ranks: As in `Schedule.sample`.
        """
        p = uniforms(n, device, generator, self.stratified, ranks)
        if p.device != self._lines.device:
            self._drawn, self._lines = self._drawn.to(p), self._lines.to(p)
            self._log_edges, self._starts = self._log_edges.to(p), self._lines[0, 1:]
        bins = torch.bucketize(p, self._starts, right=True)
        start, low, slope = self._lines.index_select(1, bins).unbind()
        return self.channel.levels(torch.addcmul(low, p - start, slope).exp())

    def density(self, sigma: Tensor) -> Tensor:
        """Density per unit log sigma from which `sample` draws; any shape.

        0 outside the channel's span. On the CPU in float64.
        """
        inside = (sigma >= self.channel.sigma_min) & (sigma <= self.channel.sigma_max)
        log_sigma = sigma.detach().to("cpu", torch.float64).log()
        bins = torch.bucketize(log_sigma, self.edges[1:-1].log(), right=True)
        return torch.where(inside.to("cpu"), self._density[bins], 0)

    def importance_weight(self, u: Tensor) -> Tensor:
        """(n,) base density / drawn density at levels u that `sample` drew.

        Multiplied into the loss, it leaves the objective under the base distribution unchanged in
        expectation. Stays on u's device, which is that of the draws.
        """
        sigma = self.channel.sigma(u).to(self._log_edges.dtype)
        sigma = sigma.clamp(self.channel.sigma_min, self.channel.sigma_max)
        bins = torch.bucketize(sigma.log(), self._log_edges[1:-1], right=True)
        return (self.base.density(sigma) / self._drawn[bins]).to(torch.float32)

    def log(self, levels: int = 8) -> dict[str, float | str]:
        """Density and, once measured, errors of x0 by noise level, and the status; for any logger.

        Numbers by name and one text, `status`; reads values, so call it where you log.
        """
        return log_of(self, self.edges, self._density, levels)

    def _on_our_grid(self, profile: EntropyRateProfile) -> EntropyRateProfile:
        """The profile read at the centres of our bins, if its own are others."""
        if same_edges(profile.edges, self.edges):
            return profile
        rate = profile.at((self.edges[:-1] * self.edges[1:]).sqrt())
        return of_rate(self.edges, rate, profile.dim)

    def _set_density(self, density: Tensor) -> None:
        self._density = density.clone()
        self._drawn.copy_(density)
        self._lines.copy_(self._inverse(density))
        # A view, which a pickle does not keep as one.
        self._starts = self._lines[0, 1:]

    def _inverse(self, density: Tensor) -> Tensor:
        """(3, K) of each bin, for inverting the cdf.

        The cdf at its lower edge, log sigma there, and log sigma's rise per unit of cdf; 0 in an
        empty bin, which no draw falls into.
        """
        mass = density * self._width
        cdf = torch.cat([mass.new_zeros(1), mass.cumsum(0)])
        cdf = cdf / cdf[-1]
        rise = cdf.diff()
        slope = torch.where(rise > 0, self._width / rise, 0)
        return torch.stack([cdf[:-1], self.edges.log()[:-1], slope])


def check_state(state: dict[str, Any], name: str) -> None:
    """InputError for a state of another schedule or version than `name` at VERSION."""
    if state.get("law") != name or state.get("version") != VERSION:
        raise InputError(
            f"the schedule's state is of {state.get('law')} version {state.get('version')}, this is"
            f" {name} version {VERSION}: resume with the same schedule and release"
        )
