"""A noise schedule for each of two kinds of bits."""

from typing import Any

import torch
from torch import Tensor

from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.schedules.fixed import Schedule
from infonoise_core.training.meter import Part

# The profile of tokens has the name that every run's has.
CLUSTERS_PROFILE = "clusters-profile.json"


class BothSchedules:
    """Levels (n, 2) of clusters and tokens, each drawn by a schedule of its own.

    A schedule observes the error of its own bits alone. Independent draws reach every pair of
    levels, so that any path can be sampled and scored, and each distribution stays its own. What a
    schedule measures is an average over the levels of the other kind: of clusters, what is left to
    be said of them beside tokens at the levels of training.

    Args:
        dims: Bits of an example that say its clusters, and those that say its tokens.
    """

    def __init__(self, clusters: Schedule, tokens: Schedule, dims: tuple[int, int]) -> None:
        self.clusters, self.tokens, self.dims = clusters, tokens, dims
        self.channel = tokens.channel

    def sample(
        self,
        n: int,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
        ranks: tuple[int, int] | None = None,
    ) -> Tensor:
        """(n, 2); see `infonoise_core.schedules.fixed.Schedule`."""
        drawn = [s.sample(n, device, generator, ranks) for s in (self.clusters, self.tokens)]
        return torch.stack(drawn, dim=1)

    def observe(self, u: Tensor, squared_error: Tensor) -> None:
        """Report the squared errors (n, 2) of clusters and tokens at their levels u (n, 2)."""
        self.clusters.observe(u[:, 0], squared_error[:, 0])
        self.tokens.observe(u[:, 1], squared_error[:, 1])

    def step(self) -> None:
        """Once per optimizer step, on every rank."""
        self.clusters.step()
        self.tokens.step()

    def density(self, sigma: Tensor) -> Tensor:
        """Of the levels of tokens; any shape."""
        return self.tokens.density(sigma)

    def status(self) -> str:
        """One line on both."""
        return f"clusters {self.clusters.status()}; tokens {self.tokens.status()}"

    def parts(self) -> tuple[Part, Part]:
        """Each kind's schedule, with the file of its profile."""
        clusters, tokens = self.dims
        return (
            Part(CLUSTERS_PROFILE, self.clusters, clusters),
            Part(PROFILE_FILE, self.tokens, tokens),
        )

    def state_dict(self) -> dict[str, Any]:
        """Of both."""
        return {"clusters": self.clusters.state_dict(), "tokens": self.tokens.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self.clusters.load_state_dict(state["clusters"])
        self.tokens.load_state_dict(state["tokens"])
