"""InfoNoise as published, in numpy on the host: what the cost of our own is compared with.

Raya et al. 2026, as 1/sigma^3-weighted bin means of first-in-first-out buffers; written for this
comparison from the description of the algorithm.
"""

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


class HostBuffers:
    """K log-sigma bins with the last `depth` squared errors each, copied to the host every step.

    Args:
        beta: Weight of the new bin means at a refresh.
        threshold, order: Of the onset gate.
    """

    def __init__(
        self,
        sigma_min: float,
        sigma_max: float,
        bins: int = 64,
        depth: int = 256,
        least: int = 8,
        refresh_every: int = 100,
        beta: float = 0.5,
        threshold: float = 0.002,
        order: float = 3.0,
        seed: int = 0,
    ) -> None:
        self.log_edges = np.linspace(np.log(sigma_min), np.log(sigma_max), bins + 1)
        self.sigma = np.exp((self.log_edges[1:] + self.log_edges[:-1]) / 2)
        self.buffers = [deque[float](maxlen=depth) for _ in range(bins)]
        self.least, self.refresh_every = least, refresh_every
        self.beta, self.threshold, self.order = beta, threshold, order
        self.mean: Array | None = None
        self.cdf: Array = np.linspace(0.0, 1.0, bins + 1)
        self.steps = 0
        self.rng = np.random.default_rng(seed)

    def sample(self, n: int, device: torch.device | str = "cpu") -> Tensor:
        """(n,) independent draws by the inverse cdf, log-uniform inside a bin."""
        log_sigma = np.interp(self.rng.random(n), self.cdf, self.log_edges)
        return torch.from_numpy(np.exp(log_sigma)).to(device, torch.float32)

    def observe(self, sigma: Tensor, squared_error: Tensor) -> None:
        """(n,) each, to the host and into the buffers of their bins."""
        log_sigma = np.log(sigma.detach().cpu().numpy())
        error = squared_error.detach().cpu().numpy()
        which = np.searchsorted(self.log_edges[1:-1], log_sigma, side="right")
        for i, value in zip(which.tolist(), error.tolist(), strict=True):
            self.buffers[i].append(value)

    def step(self) -> None:
        """Every `refresh_every` steps, once all bins are filled, a new density."""
        self.steps += 1
        due = self.steps % self.refresh_every == 0
        if due and min(len(buffer) for buffer in self.buffers) >= self.least:
            self._refresh()

    def _refresh(self) -> None:
        new = np.array([np.mean(buffer) for buffer in self.buffers])
        self.mean = new if self.mean is None else (1 - self.beta) * self.mean + self.beta * new
        padded = np.pad(self.mean, 1, mode="edge")
        smooth = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
        per_sigma = smooth / self.sigma**3
        pivot = self.sigma[per_sigma >= self.threshold * per_sigma.max()].max()
        gate = self.sigma**self.order / (self.sigma**self.order + pivot**self.order)
        mass = gate * per_sigma * self.sigma * np.diff(self.log_edges)
        cdf = np.concatenate([[0.0], np.cumsum(mass)])
        self.cdf = cdf / cdf[-1]
