"""What Diffusers itself offers for a model: schedulers with lists, and the loop they share."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.integrations.diffusers import apply_levels, scheduler_for
from infonoise_core.integrations.diffusers_levels import held
from of_pretrained.foreign import library

# Of images at a time: larger ones leave the cache and take longer.
CHUNK = 64
# Align Your Steps (Sabour et al. 2024) for Stable Diffusion 1.5 with its last level, which the
# table of Diffusers writes as 0.
_AYS_LAST = 0.029
_MULTISTEP = "DPM-Solver++(2M)"

# Number of calls -> scheduler.
Made = Callable[[int], Any]


def samplers(scheduler: Any, flow: bool, n: int) -> Iterator[tuple[str, str, Any]]:
    """(solver, list, scheduler that makes n calls) of everything stock."""
    for solver, name, make in _flow(scheduler) if flow else _ddpm(scheduler):
        yield solver, name, make(n)


@torch.no_grad()
def run(network: nn.Module, scheduler: Any, noise: Tensor, calls: int) -> Tensor:
    """Images (n, c, h, w) in [-1, 1] from unit noise, by the loop of every pipeline.

    Raises:
        AssertionError: Where other than so many calls were made.
    """
    parts = []
    for part in torch.split(noise, CHUNK):
        mine = copy.deepcopy(scheduler)
        mine.set_timesteps(calls)
        x = part * getattr(mine, "init_noise_sigma", 1.0)
        made = 0
        for time in mine.timesteps:
            scaled = mine.scale_model_input(x, time) if hasattr(mine, "scale_model_input") else x
            x = mine.step(network(scaled, time).sample, time, x).prev_sample
            made += 1
        if made != calls:
            raise AssertionError(f"{type(mine).__name__}: {made} calls instead of {calls}")
        parts.append(x)
    return torch.cat(parts).clamp(-1, 1)


def _ddpm(scheduler: Any) -> Iterator[tuple[str, str, Made]]:
    ours = library()
    for spacing in ("leading", "trailing"):
        ddim = ours.DDIMScheduler.from_config(scheduler.config, timestep_spacing=spacing)
        yield "DDIM", spacing, partial(_set, ddim)
    euler = scheduler_for(scheduler, "euler")
    yield "Euler", "Karras", partial(_set, euler, use_karras_sigmas=True)
    yield "Euler", "AYS", partial(_align_your_steps, euler)
    multistep = scheduler_for(scheduler, "dpmpp-2m")
    for spacing in ("leading", "trailing", "linspace"):
        yield _MULTISTEP, spacing, partial(_set, multistep, timestep_spacing=spacing)
    for name, flag in (("Karras", "karras_sigmas"), ("beta", "beta_sigmas"), ("lu", "lu_lambdas")):
        yield _MULTISTEP, name, partial(_set, multistep, **{f"use_{flag}": True})
    yield _MULTISTEP, "AYS", partial(_align_your_steps, multistep)
    unipc = ours.UniPCMultistepScheduler.from_config(scheduler.config)
    yield "UniPC", "linspace", partial(_set, unipc)


def _flow(scheduler: Any) -> Iterator[tuple[str, str, Made]]:
    ours = library()
    lists: dict[str, dict[str, Any]] = {
        "even": {}, "shift 3": {"shift": 3.0}, "Karras": {"use_karras_sigmas": True},
        "beta": {"use_beta_sigmas": True},
    }  # fmt: skip
    for name, settings in lists.items():
        euler = ours.FlowMatchEulerDiscreteScheduler.from_config(scheduler.config, **settings)
        yield "Euler", name, partial(_set, euler)
    options = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    for solver, kind in (
        ("UniPC", ours.UniPCMultistepScheduler), (_MULTISTEP, ours.DPMSolverMultistepScheduler),
    ):  # fmt: skip
        for name, shift in (("even", 1.0), ("shift 3", 3.0)):
            yield solver, name, partial(_set, kind(**options, flow_shift=shift))


def align_your_steps(n: int) -> Tensor:
    """(n,) descending levels of Stable Diffusion 1.5's list, carried to n by their own rule.

    That is log-linear in the place, on n + 1 points of which the last becomes 0.
    """
    listed = library().schedulers.AysSchedules["StableDiffusionSigmas"]
    known = [*listed[:-1], _AYS_LAST]
    places = np.linspace(0, 1, len(known))
    logs = np.interp(np.linspace(0, 1, n + 1)[:-1], places, np.log(known))
    return torch.from_numpy(np.exp(logs))


def _align_your_steps(scheduler: Any, n: int) -> Any:
    sigmas = align_your_steps(n)
    return held(apply_levels(copy.deepcopy(scheduler), sigmas), sigmas)


def _set(scheduler: Any, _: int, **settings: Any) -> Any:
    made = copy.deepcopy(scheduler)
    made.register_to_config(**settings)
    return made
