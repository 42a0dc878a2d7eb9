"""What the births of a staged run cost: nats that samples lose where details are born.

The details of a band are born as a Gaussian at noise B. What that loses is the integral over their
levels above B of the newborn's rate less the band's own, given its coarse part at B. What is lost
by a wrong mean falls as sigma^-2, so that half the difference at B is its integral; what is lost by
a wrong covariance falls faster, so that half is too much: for Gaussian fields by up to a fifth.
Lost nats of births add up.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from infonoise_vision.data.images import ImageSet
from infonoise_vision.models.haar import coarse, join, split
from infonoise_vision.models.staged import StagedDenoiser

# Images at a time.
_CHUNK = 64


@dataclass(frozen=True)
class BirthCost:
    """One birth.

    Attributes:
        side: Of the images that it makes.
        level: Noise of the details where it happens.
        rms: Of the details.
        nats: Lost per image, by the run's own error on held-out images.
        stderr: Of the nats.
    """

    side: int
    level: float
    rms: float
    nats: float
    stderr: float


def lost_nats(newborn: float, own: float) -> float:
    """Half the shortfall, from the rates (nats per unit log sigma) at the birth's level."""
    return (newborn - own) / 2


@torch.no_grad()
def birth_costs(
    model: StagedDenoiser, images: ImageSet, draws: int = 256, seed: int = 0
) -> list[BirthCost]:
    """Each birth's, finest first, on `draws` images with one noise each.

    The error of the newborn, a Gaussian of known mean and covariance, and that of the network are
    taken on the same noisy images.
    """
    rng = torch.Generator().manual_seed(seed)
    device = model.births.device
    costs = []
    for k in range(model.stages):
        rows = np.arange(min(draws, len(images)))
        x0 = coarse(images.x0(rows), k)
        level, own = float(model.births[k]), model.lead * float(model.births[k])
        eps = torch.randn(x0.shape, generator=rng).to(device)
        noise = model.shaped(eps, model.births[k].expand(len(eps))).cpu()
        noisy = x0 + level * noise
        differences = []
        for start in range(0, len(x0), _CHUNK):
            part, true = noisy[start : start + _CHUNK], x0[start : start + _CHUNK]
            sigma = model.births[k].expand(len(part))
            beside = images.given(rows[start : start + _CHUNK])
            given = None if beside is None else beside.to(device)
            condition = {} if given is None else {"given": given}
            network = model(part.to(device), sigma, **condition).cpu()
            newborn = newborn_mean(model, part.to(device), k, given).cpu()
            errors = [
                (split(made)[1] - split(true)[1]).square().flatten(1).sum(1)
                for made in (newborn, network)
            ]
            differences.append(errors[0] - errors[1])
        lost = torch.cat(differences) / (2 * own**2)
        costs.append(
            BirthCost(
                x0.shape[2], own,
                float(model.detail_rms[k].square().mean().sqrt()),
                float(lost.mean()), float(lost.std() / len(lost) ** 0.5),
            )
        )  # fmt: skip
    return costs


def newborn_mean(
    model: StagedDenoiser, noisy: Tensor, level: int, given: Tensor | None = None
) -> Tensor:
    """(n, c, h, w) whose details are the newborn Gaussian's posterior mean, given `noisy` ones.

    Args:
        noisy: (n, c, h, w) as they are at the birth.
        level: How often they are halved already.
        given: (n, g, h', w') pairs, at the full side.
    """
    rough, details = split(noisy)
    silent = torch.zeros(len(noisy), details.shape[1] * details.shape[2], *details.shape[3:])
    _, mean = split(model.born(rough, level, silent.to(noisy), given))
    left = model.covariances[level]
    own = model.lead * model.births[level]
    noise = torch.eye(len(left), device=left.device) * own.square()
    gain = torch.linalg.solve(left + noise, left).T
    shape = details.shape
    moved = torch.einsum("ij,njhw->nihw", gain, (details - mean).flatten(1, 2))
    return join(rough, mean + moved.reshape(shape))
