"""Images of a denoiser that is being trained, drawn as those of its finished run would be."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from infonoise_core.sampling.generate import generate
from infonoise_core.sampling.grids import karras_grid
from infonoise_vision.models.staged import StagedDenoiser
from infonoise_vision.sampling.images import generate_each
from infonoise_vision.sampling.staged import staged_levels

# Images at a time.
_CHUNK = 256


def drawn(
    denoiser: nn.Module,
    shape: tuple[int, int, int],
    n: int,
    sigmas: Tensor,
    *,
    solver: str,
    seed: int,
    condition: Mapping[str, Tensor],
) -> Tensor:
    """n images of `shape` on the CPU, in stages where the denoiser has some.

    Args:
        sigmas: (k,) descending, or as many by Karras et al.'s list in each stage.
        condition: Keyword arguments of the denoiser, (n, ...) each.
    """
    if not isinstance(denoiser, StagedDenoiser):
        return generate(denoiser, shape, n, sigmas, solver=solver, seed=seed, condition=condition).x
    births: list[float] = denoiser.births.tolist()
    levels = staged_levels(len(sigmas), float(sigmas[-1]), float(sigmas[0]), births, karras_grid)
    parts = generate_each(
        denoiser, shape, [(seed, place) for place in range(n)], levels, solver=solver, churn=None,
        s_noise=1.0, chunk=_CHUNK, condition=condition, device=denoiser.births.device,
        model=denoiser,
    )  # fmt: skip
    return torch.cat([part.x for part in parts])
