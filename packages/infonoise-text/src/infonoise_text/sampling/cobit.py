"""The rule of CoBit's releases for the levels of sampling, by their own table of entropy.

For their published numbers: ours is `entropic_grid`, from which theirs differs by up to 4 % (it is
linear in sigma and shifted by half a bin). Their other constants: churn in the entropy band with
gamma 0.200 (LM1B), 0.130 or 0.180 (OWT, small), 0.21 at 256 calls (OWT, medium), s_noise 1.003.
"""

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_text.models.denoiser import SIGMA_LAST

_ALMOST_1 = 1e-7


def cobit_grid(cdf: Tensor, sigmas: Tensor, n: int) -> Tensor:
    """(n,) float32 levels, descending, from the table's last midpoint to 0.08.

    Args:
        cdf: (K,) share of the entropy up to each midpoint.
        sigmas: (K,) midpoints, ascending.
        n: Levels; there is one more call of the network than levels.
    """
    if cdf.shape != sigmas.shape or cdf.dim() != 1 or n < 2:
        raise InputError(f"a table of {tuple(cdf.shape)} for {n} levels: give (K,) and at least 2")
    share, place = cdf.to(torch.float64).clone(), sigmas.to(torch.float64)
    share[-1] = 1.0
    ends = torch.stack([torch.tensor(SIGMA_LAST, dtype=torch.float64), place[-1]])
    first, last = _interpolated(ends, place, share).tolist()
    steps = torch.linspace(first, last, n, dtype=torch.float64)
    grid = _interpolated(steps.clamp(float(share[0]), 1 - _ALMOST_1), share, place)
    grid[0], grid[-1] = ends[0], ends[1]
    return grid.flip(0).to(torch.float32)


def _interpolated(at: Tensor, x: Tensor, y: Tensor) -> Tensor:
    i = torch.searchsorted(x, at, right=True).clamp(1, len(x) - 1)
    width = (x[i] - x[i - 1]).clamp_min(1e-300)
    share = ((at - x[i - 1]) / width).clamp(0, 1)
    return torch.lerp(y[i - 1], y[i], share)
