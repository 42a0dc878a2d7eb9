"""Gaussian channels x_u = a(u) x0 + b(u) eps and the map between their coordinate u and sigma.

Only the noise-to-signal ratio sigma = b/a is free of conventions, so everything in the core lives
on a grid that is uniform in log sigma, and each channel converts at the edge.
"""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

from infonoise_core.errors import InputError

Prediction = Literal["x0", "epsilon", "v", "velocity", "score"]


class Channel(ABC):
    """A family of Gaussian channels indexed by a coordinate u.

    sigma_min, sigma_max: the span of noise-to-signal ratios that schedules and grids cover, in the
    data's own unit.
    """

    def __init__(self, sigma_min: float, sigma_max: float) -> None:
        if not 0 < sigma_min < sigma_max < float("inf"):
            raise InputError(
                f"sigma_min {sigma_min:g} and sigma_max {sigma_max:g} do not span a range:"
                " give 0 < sigma_min < sigma_max"
            )
        self.sigma_min = float(sigma_min)
        self.sigma_max = float(sigma_max)

    @abstractmethod
    def sigma(self, u: Tensor) -> Tensor:
        """Noise-to-signal ratio b(u)/a(u); any shape."""

    @abstractmethod
    def coordinate(self, sigma: Tensor) -> Tensor:
        """The inverse of `sigma`; any shape."""

    @abstractmethod
    def signal(self, u: Tensor) -> Tensor:
        """a(u), the factor of the clean example."""

    def noise(self, u: Tensor) -> Tensor:
        """b(u), the factor of the unit Gaussian noise."""
        return self.signal(u) * self.sigma(u)

    def log_snr(self, u: Tensor) -> Tensor:
        """lambda = log(a^2/b^2) = -2 log sigma."""
        return -2 * torch.log(self.sigma(u))

    def corrupt(self, x0: Tensor, u: Tensor, eps: Tensor) -> Tensor:
        """a(u) x0 + b(u) eps for x0, eps of shape (n, ...) and u of shape (n,)."""
        a = _per_example(self.signal(u), x0)
        b = _per_example(self.noise(u), x0)
        return a * x0 + b * eps

    def x0_squared_error(self, u: Tensor, squared_error: Tensor, prediction: Prediction) -> Tensor:
        """Turn the squared error of another prediction into the squared error of x0.

        u, squared_error: (n,), the error summed over an example's dimensions. `epsilon` is the unit
        noise, `v` = a eps - b x0 (Salimans & Ho 2022), `velocity` = +-(eps - x0) of a flow with
        a + b = 1 (either direction), `score` = grad log p(x_u) = -eps/b. Solve each definition
        together with x = a x0 + b eps for x0; the factor of the prediction in that solution enters
        squared.
        """
        a, b = self.signal(u), self.noise(u)
        match prediction:
            case "x0":
                return squared_error
            case "epsilon":
                factor = b / a
            case "v":
                factor = b / (a.square() + b.square())
            case "velocity":
                factor = b / (a + b)
            case "score":
                factor = b.square() / a
            case _:
                raise InputError(
                    f"prediction {prediction!r} is not known:"
                    " give x0, epsilon, v, velocity or score"
                )
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
    """x_t = (1-s) x0 + s eps on straight lines, where s = t if noise_at is 1 and s = 1-t if it is
    0.

    noise_at states the direction of time, because code bases differ: 1.0 puts pure noise at t = 1
    (Stable Diffusion 3, rectified flow), 0.0 at t = 0 (flow matching from noise to data).
    """

    def __init__(
        self, noise_at: float = 1.0, sigma_min: float = 1e-3, sigma_max: float = 1e3
    ) -> None:
        super().__init__(sigma_min, sigma_max)
        if noise_at not in (0.0, 1.0):
            raise InputError(f"noise_at {noise_at:g} is no end of the flow: give 1.0 or 0.0")
        self.noise_at = float(noise_at)

    def _noise_fraction(self, t: Tensor) -> Tensor:
        return t if self.noise_at == 1.0 else 1 - t

    def sigma(self, u: Tensor) -> Tensor:
        s = self._noise_fraction(u)
        return s / (1 - s)

    def coordinate(self, sigma: Tensor) -> Tensor:
        return sigma / (1 + sigma) if self.noise_at == 1.0 else 1 / (1 + sigma)

    def signal(self, u: Tensor) -> Tensor:
        return 1 - self._noise_fraction(u)

    def noise(self, u: Tensor) -> Tensor:
        return self._noise_fraction(u)


def _per_example(factor: Tensor, x: Tensor) -> Tensor:
    return factor.to(x.dtype).reshape(-1, *(1,) * (x.dim() - 1))
