"""What Diffusers itself offers for a model: schedulers with lists, and the loop they share."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.integrations.diffusers import apply_levels, scheduler_for

# Of images at a time: larger ones leave the cache and take longer.
CHUNK = 64
# Align Your Steps (Sabour et al. 2024) for Stable Diffusion 1.5 with its last level, which the
# table of Diffusers writes as 0.
_AYS_LAST = 0.029


def samplers(scheduler: Any, flow: bool, n: int) -> Iterator[tuple[str, str, Any]]:
    """(solver, list, scheduler that makes n calls) of everything stock."""
    for solver, name, make in _flow(scheduler) if flow else _ddpm(scheduler):
        made = make(n)
        yield solver, name, made


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


Made = Callable[[int], Any]


def _ddpm(scheduler: Any) -> Iterator[tuple[str, str, Made]]:
    from diffusers import DDIMScheduler, UniPCMultistepScheduler

    for spacing in ("leading", "trailing"):
        ddim = DDIMScheduler.from_config(scheduler.config, timestep_spacing=spacing)
        yield "DDIM", spacing, lambda _, ddim=ddim: ddim
    euler = scheduler_for(scheduler, "euler")
    yield "Euler", "Karras", lambda _: _set(euler, use_karras_sigmas=True)
    yield "Euler", "AYS", lambda n: _held(euler, align_your_steps(n))
    multistep = scheduler_for(scheduler, "dpmpp-2m")
    for spacing in ("leading", "trailing", "linspace"):
        yield (
            "DPM-Solver++(2M)", spacing,
            lambda _, spacing=spacing: _set(multistep, timestep_spacing=spacing),
        )  # fmt: skip
    for name, flag in (("Karras", "karras_sigmas"), ("beta", "beta_sigmas"), ("lu", "lu_lambdas")):
        yield (
            "DPM-Solver++(2M)", name,
            lambda _, flag=flag: _set(multistep, **{f"use_{flag}": True}),
        )  # fmt: skip
    yield "DPM-Solver++(2M)", "AYS", lambda n: _held(multistep, align_your_steps(n))
    unipc = UniPCMultistepScheduler.from_config(scheduler.config)
    yield "UniPC", "linspace", lambda _: unipc


def _flow(scheduler: Any) -> Iterator[tuple[str, str, Made]]:
    import diffusers

    euler = diffusers.FlowMatchEulerDiscreteScheduler
    for name, settings in (
        ("even", {}), ("shift 3", {"shift": 3.0}), ("Karras", {"use_karras_sigmas": True}),
        ("beta", {"use_beta_sigmas": True}),
    ):  # fmt: skip
        made = euler.from_config(scheduler.config, **settings)
        yield "Euler", name, lambda _, made=made: made
    options = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    for solver, kind in (
        ("UniPC", diffusers.UniPCMultistepScheduler),
        ("DPM-Solver++(2M)", diffusers.DPMSolverMultistepScheduler),
    ):
        for name, shift in (("even", 1.0), ("shift 3", 3.0)):
            multistep = kind(**options, flow_shift=shift)
            yield solver, name, lambda _, multistep=multistep: multistep


def align_your_steps(n: int) -> Tensor:
    """(n,) descending levels of Stable Diffusion 1.5's list, carried to n by their own rule.

    That is log-linear in the place, on n + 1 points of which the last becomes 0.
    """
    from diffusers.schedulers import AysSchedules

    known = [*AysSchedules["StableDiffusionSigmas"][:-1], _AYS_LAST]
    places = np.linspace(0, 1, len(known))
    logs = np.interp(np.linspace(0, 1, n + 1)[:-1], places, np.log(known))
    return torch.from_numpy(np.exp(logs))


def _set(scheduler: Any, **settings: Any) -> Any:
    made = copy.deepcopy(scheduler)
    made.register_to_config(**settings)
    return made


def _held(scheduler: Any, sigmas: Tensor) -> Any:
    from infonoise_core.integrations.diffusers_levels import held

    return held(apply_levels(copy.deepcopy(scheduler), sigmas), sigmas)
