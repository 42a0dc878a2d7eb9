"""Isotonic regression by max-min of running means: K x K, vectorised, no loop over the data."""

import torch
from torch import Tensor


def isotonic(values: Tensor, weights: Tensor) -> Tensor:
    """The non-decreasing sequence closest to values (K,) in weighted least squares.

    fit_i = max over j <= i of min over k >= i of the weighted mean of values[j..k] (Barlow et al.
    1972). An entry of weight zero takes no part and is carried along by its neighbours; all-zero
    weights return the values unchanged.
    """
    if not bool((weights > 0).any()):
        return values.clone()
    k = len(values)
    zero = weights.new_zeros(1)
    mass = torch.cat([zero, weights.cumsum(0)])
    moment = torch.cat([zero, torch.where(weights > 0, weights * values, 0).cumsum(0)])
    # Entry (j, i) is the mean over j..i; the empty ones must win neither the min nor the max.
    block_mass = mass[None, 1:] - mass[:-1, None]
    block_moment = moment[None, 1:] - moment[:-1, None]
    index = torch.arange(k, device=values.device)
    valid = (index[:, None] <= index[None, :]) & (block_mass > 0)
    mean = torch.where(valid, block_moment / block_mass, torch.inf)
    smallest = mean.flip(1).cummin(1).values.flip(1)
    usable = (index[:, None] <= index[None, :]) & smallest.isfinite()
    fit = torch.where(usable, smallest, -torch.inf).amax(0)
    # Trailing entries without weight see no later block: they hold the last fitted value.
    return torch.where(fit.isfinite(), fit, -torch.inf).cummax(0).values
