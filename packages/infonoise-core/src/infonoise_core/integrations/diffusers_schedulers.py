"""Diffusers' schedulers for a model: those that take lists, and the lists that they have."""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.integrations.diffusers_levels import kind_of, levels_of

# Solvers whose schedulers take unscaled x, and noise of one size whatever the spacing of times.
MULTISTEP = ("dpmpp-2m", "unipc")


def scheduler_for(scheduler: Any, solver: str) -> Any:
    """A new scheduler that takes a list and makes the steps of a solver, for the same model.

    `from_config` leaves out what was a default in the other class, so betas can change in silence:
    here the table is compared, and given in full.
    """
    import diffusers

    kind = kind_of(scheduler)
    names = {
        ("ddpm", "euler"): "EulerDiscreteScheduler",
        ("ddpm", "heun"): "HeunDiscreteScheduler",
        ("ddpm", "dpmpp-2m"): "DPMSolverMultistepScheduler",
        ("ddpm", "unipc"): "UniPCMultistepScheduler",
        ("edm", "euler"): "EDMEulerScheduler",
        ("flow", "euler"): "FlowMatchEulerDiscreteScheduler",
        ("flow", "unipc"): "UniPCMultistepScheduler",
    }
    if (kind, solver) not in names:
        possible = ", ".join(s for k, s in names if k == kind)
        raise InputError(
            f"solver {solver} for {type(scheduler).__name__}: no scheduler of Diffusers takes a"
            f" list for it; give one of {possible}"
        )
    kept = {
        name: scheduler.config[name]
        for name in ("num_train_timesteps", "prediction_type", "sigma_min", "sigma_max")
        if name in scheduler.config
    }
    make = getattr(diffusers, names[kind, solver])
    if kind == "edm":
        return make(**kept, sigma_data=scheduler.config.sigma_data)
    if kind == "flow":
        steps = scheduler.config.num_train_timesteps
        if solver == "euler":
            return make(num_train_timesteps=steps)
        return make(
            num_train_timesteps=steps, use_flow_sigmas=True, prediction_type="flow_prediction"
        )
    kept = {k: v for k, v in kept.items() if not k.startswith("sigma")}
    kept["steps_offset"] = scheduler.config.get("steps_offset", 0)
    kept.update({} if solver in MULTISTEP else {"timestep_spacing": "leading"})
    alphas = scheduler.alphas_cumprod.detach().cpu().to(torch.float64)
    made = make(**kept, trained_betas=_betas(alphas))
    if not torch.allclose(made.alphas_cumprod.double()[:-1], alphas[:-1], rtol=1e-4, atol=1e-9):
        raise InputError(f"{type(made).__name__} did not take the table of the model's noise")
    # To the last bit, as the levels near data lie where 1 - alpha is small.
    made.alphas_cumprod = scheduler.alphas_cumprod.detach().cpu().clone()
    return made


def stock_lists(scheduler: Any, target: Any, n: int) -> dict[str, Tensor]:
    """What a model has without us: the pipeline's own list, and those of the target scheduler.

    Of at most n levels (n,), by name; those that a scheduler cannot make are left out.
    """
    found: dict[str, Tensor] = {}
    kind = kind_of(target)
    if kind == "ddpm":
        for spacing in ("leading", "trailing", "linspace"):
            found[spacing] = _listed(target, n, timestep_spacing=spacing)
        found["Karras"] = _listed(target, n, use_karras_sigmas=True)
    elif kind == "edm":
        for name in ("karras", "exponential"):
            found[name] = _listed(target, n, sigma_schedule=name)
    else:
        found["even"] = _listed(target, n)
        shift = float(scheduler.config.get("shift", scheduler.config.get("flow_shift", 1.0)))
        if shift != 1.0:
            found[f"shift {shift:g}"] = _listed(scheduler, n)
        found["Karras"] = _listed(target, n, use_karras_sigmas=True)
    return {
        name: sigmas
        for name, sigmas in found.items()
        if 0 < len(sigmas) <= n
        and bool(sigmas.isfinite().all())
        and bool((sigmas.diff() < 0).all())
    }


def _listed(target: Any, n: int, **settings: Any) -> Tensor:
    made = copy.deepcopy(target)
    made.register_to_config(**settings)
    try:
        made.set_timesteps(n)
    except (ValueError, AssertionError, IndexError):
        return torch.empty(0, dtype=torch.float64)
    return levels_of(made)


def _betas(alphas_cumprod: Tensor) -> Any:
    ratio = torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])
    return np.asarray(1 - ratio, dtype=np.float64).tolist()
