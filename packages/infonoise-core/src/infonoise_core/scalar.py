"""Independent symbols that are numbers: grey levels, counts, quantised measurements."""

import torch
from torch import Tensor

from infonoise_core.analytic.categorical import distinct
from infonoise_core.analytic.exact import Source, gaussian_quadrature
from infonoise_core.errors import InputError

_NODES = 128


class ScalarSource(Source):
    """Independent symbols, each one of the numbers `values` (K,).

    Args:
        probabilities: (K,) or (positions, K), rows adding up to 1.  mmse by Gauss-Hermite
            quadrature over the noise around each value.
    """

    def __init__(self, values: Tensor, probabilities: Tensor, positions: int | None = None) -> None:
        table = torch.as_tensor(probabilities, dtype=torch.float64)
        table = table.expand(positions or 1, -1) if table.dim() == 1 else table
        self.values = torch.as_tensor(values, dtype=torch.float64)
        if table.shape[1] != len(self.values):
            raise InputError(
                f"{len(self.values)} values and {table.shape[1]} probabilities: give one for each"
            )
        self.dim = len(table)
        self.table = table / table.sum(1, keepdim=True)
        self.entropy = float(-torch.xlogy(self.table, self.table).sum())

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        picks = torch.multinomial(self.table, n, replacement=True, generator=generator)
        return self.values[picks.T].to(torch.float32)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        distance = x[..., None].to(torch.float64) - self.values
        logits = self.table.log() - distance.square() / (2 * sigma.to(x.device)[:, None, None] ** 2)
        return (torch.softmax(logits, -1) @ self.values).to(x.dtype)

    def mmse(self, sigma: Tensor) -> Tensor:
        rows, _, times = distinct(self.table)
        flat = sigma.to(torch.float64).reshape(-1)
        z, weight = gaussian_quadrature(_NODES)
        # Distances from the value that was sent: moments around it lose no digits.
        away = self.values - self.values[:, None]
        moments = (torch.ones_like(away), away, away.square())
        total = torch.zeros_like(flat)
        for i, level in enumerate(flat):
            likelihood = torch.exp(-0.5 * (z[:, None] - away[:, None, :] / level).square())
            known, mean, square = ((likelihood * m[:, None, :]) @ rows.T for m in moments)
            # 0/0 only where the value that was sent has no probability.
            variance = (square / known - (mean / known).square()).nan_to_num(0)
            total[i] = torch.einsum("r,ri,z,izr->", times.to(rows), rows, weight, variance)
        return total.reshape(sigma.shape)
