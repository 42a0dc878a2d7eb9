"""A schedule that draws by a profile known beforehand, and learns nothing."""

from typing import Any

import torch
from torch import Tensor

from infonoise_core.binning import same_edges
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.weighting import Weight
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.fixed import LogUniform
from infonoise_core.schedules.gates import Gate, open_gate, total_variation, training_density
from infonoise_core.schedules.table import VERSION, TableLaw, check_state


class FrozenProfile(TableLaw):
    """InfoNoise's noise distribution for a profile known beforehand, which it never changes.

    With the closed-form profile of independent symbols this is the "iid oracle", a strong baseline
    on discrete data that needs no learning.

    The density is proportional to (gate * rate / weight)^power. A profile on another grid than the
    channel's is read at its bin centres, and held beyond its ends.
    """

    def __init__(
        self,
        channel: Channel,
        profile: EntropyRateProfile,
        weight: Weight | None = None,
        gate: Gate | None = None,
        power: float = 1.0,
        stratified: bool = True,
    ) -> None:
        super().__init__(channel, LogUniform(channel), len(profile.rate), stratified)
        self._profile = self._on_our_grid(profile)
        density = training_density(
            self._profile, weight, open_gate() if gate is None else gate, power
        )
        if density is None:
            raise InputError(
                f"the profile gives no density between sigma {channel.sigma_min:g} and"
                f" {channel.sigma_max:g}: its rate is zero or not finite there"
            )
        self._set_density(density)

    def profile(self) -> EntropyRateProfile:
        """The profile it draws by, on the channel's grid."""
        return self._profile

    def observe(self, u: Tensor, squared_error: Tensor) -> None:
        """Leave errors (n,) alone: a frozen schedule learns nothing."""

    def step(self) -> None:
        """A frozen schedule has no clock."""

    def status(self) -> str:
        distance = total_variation(self._density, self._base, self._width)
        return f"FrozenProfile: never learns, total variation {distance:.2f} from log-uniform"

    def state_dict(self) -> dict[str, Any]:
        return {
            "law": type(self).__name__,
            "version": VERSION,
            "edges": self.edges.clone(),
            "density": self._density.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the density over; InputError when it is of another schedule, grid or version."""
        check_state(state, type(self).__name__)
        if not same_edges(state["edges"], self.edges):
            raise InputError(
                "the checkpoint's frozen profile has another grid:"
                " resume with the same channel and profile"
            )
        self._set_density(state["density"].to("cpu", torch.float64))
