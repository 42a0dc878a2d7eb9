"""Gaussian channels x_u = a(u) x0 + b(u) eps and the map between their coordinate u and sigma.

Only the noise-to-signal ratio sigma = b/a is free of conventions, so everything in the core lives
on a grid that is uniform in log sigma, and each channel converts at the edge.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from infonoise_core.binning import log_edges
from infonoise_core.errors import InputError
from infonoise_core.processes.prediction import Prediction, named_prediction

__all__ = ["Channel", "Prediction", "RectifiedFlow", "VarianceExploding"]


# How far beyond the span's ends a reported level may lie, as a factor of sigma.
_MARGIN = 1.1


class Channel(ABC):
    """A family of Gaussian channels indexed by a coordinate u.

    Args:
        sigma_min, sigma_max: The span of noise-to-signal ratios that schedules and grids cover,
            in the data's own unit.

    Attributes:
        coordinate_dtype: Of the levels that schedules draw.
    """

    coordinate_dtype: ClassVar[torch.dtype] = torch.float32

    def __init__(self, sigma_min: float, sigma_max: float) -> None:
        if not 0 < sigma_min < sigma_max < float("inf"):
            raise InputError(
                f"sigma_min {sigma_min:g} and sigma_max {sigma_max:g} do not span a range:"
                " give 0 < sigma_min < sigma_max"
            )
        self.sigma_min = float(sigma_min)
        self.sigma_max = float(sigma_max)

    @property
    def settings(self) -> Mapping[str, Hashable]:
        """What tells this channel from others of its class; two with the same are equal."""
        return {"sigma_min": self.sigma_min, "sigma_max": self.sigma_max}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.settings == self.settings

    def __hash__(self) -> int:
        return hash((type(self), *self.settings.values()))

    def __repr__(self) -> str:
        values = ", ".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value!r}"
            for name, value in self.settings.items()
        )
        return f"{type(self).__name__}({values})"

    @abstractmethod
    def sigma(self, u: Tensor) -> Tensor:
        """Noise-to-signal ratio b(u)/a(u); any shape."""

    @abstractmethod
    def coordinate(self, sigma: Tensor) -> Tensor:
        """The inverse of `sigma`; any shape."""

    @abstractmethod
    def signal(self, u: Tensor) -> Tensor:
        """a(u), the factor of the clean example; any shape."""

    def noise(self, u: Tensor) -> Tensor:
        """b(u), the factor of the unit Gaussian noise; any shape."""
        return self.signal(u) * self.sigma(u)

    def time(self, sigma: Tensor) -> Tensor:
        """A coordinate without steps, monotone in sigma; any shape.

        `coordinate` itself, but for channels whose coordinate counts steps.
        """
        return self.coordinate(sigma)

    def sigma_at(self, time: Tensor) -> Tensor:
        """The inverse of `time`; any shape."""
        return self.sigma(time)

    def levels(self, sigma: Tensor) -> Tensor:
        """What a schedule hands out for the sigma it drew: its coordinate, inside the span.

        Any shape.
        """
        return self.coordinate(sigma.clamp(self.sigma_min, self.sigma_max)).to(
            self.coordinate_dtype
        )

    @property
    def coordinate_span(self) -> tuple[float, float]:
        """The coordinate's lowest and highest value over the span of sigma."""
        ends = self.coordinate(torch.tensor([self.sigma_min, self.sigma_max], dtype=torch.float64))
        low, high = sorted(ends.to(torch.float64).tolist())
        return low, high

    def reported_sigma(self, u: Tensor) -> Tensor:
        """sigma(u) of levels from elsewhere, nan where they are none of the span; any shape.

        A tenth beyond its ends still counts, because a float32 time near 1 is that coarse.
        """
        sigma = self.sigma(u)
        inside = (sigma >= self.sigma_min / _MARGIN) & (sigma <= self.sigma_max * _MARGIN)
        return torch.where(inside, sigma, math.nan)

    def velocity_factor(self, u: Tensor) -> Tensor:
        """The error of x0 over that of a flow's velocity; any shape."""
        return self.noise(u) / (self.signal(u) + self.noise(u))

    def edges(self, bins: int) -> Tensor:
        """(K+1,) sigma edges of at most `bins` bins over the span, float64 on the CPU.

        Uniform in log sigma as far as every bin can hold a level.
        """
        return log_edges(self.sigma_min, self.sigma_max, bins)

    def log_snr(self, u: Tensor) -> Tensor:
        """lambda = log(a^2/b^2) = -2 log sigma; any shape."""
        return -2 * torch.log(self.sigma(u))

    def corrupt(self, x0: Tensor, u: Tensor, eps: Tensor) -> Tensor:
        """a(u) x0 + b(u) eps for x0, eps of shape (n, ...) and u of shape (n,)."""
        a = _per_example(self.signal(u), x0)
        b = _per_example(self.noise(u), x0)
        return a * x0 + b * eps

    def x0_squared_error(
        self,
        u: Tensor,
        squared_error: Tensor,
        prediction: Prediction | str,
        sigma_data: float | None = None,
    ) -> Tensor:
        """Turn the squared error of another prediction into the squared error of x0.

        Args:
            u, squared_error: (n,), the error summed over an example's dimensions. `epsilon` is
                the unit noise, `v` = a eps - b x0 (Salimans & Ho 2022), `velocity` = +-(eps -
                x0) of a flow with a + b = 1 (either direction), `score` = grad log p(x_u) =
                -eps/b, and `F` the raw output of a network under EDM's preconditioning, whose
                sigma_data it needs (Karras et al. 2022, eq. 7: D = c_skip x_u/a + c_out F).
                Solve each definition together with x_u = a x0 + b eps for x0; the factor of the
                prediction in that solution enters squared. diffusers' names are known too.
        """
        a, b = self.signal(u), self.noise(u)
        match named_prediction(prediction):
            case "x0":
                return squared_error
            case "epsilon":
                factor = b / a
            case "v":
                factor = b / (a.square() + b.square())
            case "velocity":
                factor = self.velocity_factor(u)
            case "score":
                factor = b.square() / a
            case "F":
                if sigma_data is None:
                    raise InputError("the error of EDM's F needs sigma_data: give the network's")
                factor = b * sigma_data / (b.square() + (a * sigma_data).square()).sqrt()
        return factor.square() * squared_error


class VarianceExploding(Channel):
    """x = x0 + sigma eps; the coordinate is sigma itself (EDM, Karras et al. 2022)."""

    def __init__(self, sigma_min: float = 0.002, sigma_max: float = 80.0) -> None:
        super().__init__(sigma_min, sigma_max)

    def sigma(self, u: Tensor) -> Tensor:
        return u

    def coordinate(self, sigma: Tensor) -> Tensor:
        return sigma

    def signal(self, u: Tensor) -> Tensor:
        return torch.ones_like(u)


class RectifiedFlow(Channel):
    """x_t = (1-s) x0 + s eps on straight lines, where s = t if noise_at is 1, s = 1-t if it is 0.

    noise_at states the direction of time, because code bases differ: 1.0 puts pure noise at t = 1
    (Stable Diffusion 3, rectified flow), 0.0 at t = 0 (flow matching from noise to data).
    A float32 t leaves a relative error in sigma of 3e-8 (1 + sigma) at noise_at 1 and
    3e-8 (1 + 1/sigma) at noise_at 0.
    """

    def __init__(
        self, noise_at: float = 1.0, sigma_min: float = 1e-3, sigma_max: float = 1e3
    ) -> None:
        super().__init__(sigma_min, sigma_max)
        if noise_at not in (0.0, 1.0):
            raise InputError(f"noise_at {noise_at:g} is no end of the flow: give 1.0 or 0.0")
        self.noise_at = float(noise_at)
        far = sigma_max if self.noise_at == 1.0 else 1 / sigma_min
        if far > 1e6:
            raise InputError(
                f"sigma {sigma_min:g} to {sigma_max:g}: t in float32 cannot tell the levels near 1"
                f" apart; with noise at {noise_at:g} stay"
                f" {'below sigma_max 1e6' if noise_at else 'above sigma_min 1e-6'}"
            )

    @property
    def settings(self) -> Mapping[str, Hashable]:
        return {"noise_at": self.noise_at, **super().settings}

    # Each expression below starts from t or 1 - t, whichever is exact where it is small: at
    # noise_at 0 the signal is t itself, not 1 - (1 - t), which has lost t's digits.
    def sigma(self, u: Tensor) -> Tensor:
        return self.noise(u) / self.signal(u)

    def coordinate(self, sigma: Tensor) -> Tensor:
        return 1 / (1 + 1 / sigma) if self.noise_at == 1.0 else 1 / (1 + sigma)

    def signal(self, u: Tensor) -> Tensor:
        return 1 - u if self.noise_at == 1.0 else u

    def noise(self, u: Tensor) -> Tensor:
        return u if self.noise_at == 1.0 else 1 - u


def _per_example(factor: Tensor, x: Tensor) -> Tensor:
    return factor.to(x.dtype).reshape(-1, *(1,) * (x.dim() - 1))
