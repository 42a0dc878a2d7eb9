"""Lists of noise levels put into Diffusers' schedulers, each in the way that it takes them."""

import copy
import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.wrapped import StepTable
from infonoise_core.sampling.candidates import snapped
from infonoise_core.sampling.choose import LevelChoice

Kind = Literal["ddpm", "edm", "flow"]
# Those that take timesteps of the table, whole ones.
_BY_STEPS = (
    "HeunDiscreteScheduler", "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler",
    "DDPMScheduler", "LCMScheduler", "TCDScheduler",
)  # fmt: skip
# Of flow it takes sigmas; elsewhere it refuses a list, but steps through whichever it holds.
_UNIPC = "UniPCMultistepScheduler"
_CONVERSIONS = (
    "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas",
)  # fmt: skip
_TAKERS = {
    "ddpm": "EulerDiscreteScheduler (the step of DDIM), HeunDiscreteScheduler,"
    " DPMSolverMultistepScheduler or UniPCMultistepScheduler",
    "edm": "EDMEulerScheduler",
    "flow": "FlowMatchEulerDiscreteScheduler, or UniPCMultistepScheduler with use_flow_sigmas=True",
}
# Levels that a scheduler may be off those asked for: float32 times of flow near 1 keep 1e-4.
_CLOSE = 2e-3
_RHO = 7.0


@dataclass(frozen=True)
class LevelsFor:
    """What `levels_for` found.

    Attributes:
        choice: Which levels, and why.
        scheduler: One that takes these levels whatever number of steps it is asked for; put it
            into the pipeline.
    """

    choice: LevelChoice
    scheduler: Any

    @property
    def sigmas(self) -> Tensor:
        """(n,) descending noise levels, without the final 0."""
        return self.choice.sigmas

    @property
    def timesteps(self) -> list[float]:
        """The same as the scheduler's timesteps, for a pipeline's own argument."""
        found: list[float] = self.scheduler.timesteps.detach().cpu().tolist()
        return found

    def __str__(self) -> str:
        name = type(self.scheduler).__name__
        return f"{self.choice}\n{name}, pipeline.scheduler = choice.scheduler"


def kind_of(scheduler: Any) -> Kind:
    """Which noise a scheduler's model was trained with."""
    name, config = type(scheduler).__name__, scheduler.config
    if name.startswith("EDM"):
        return "edm"
    if name.startswith("FlowMatch") or config.get("use_flow_sigmas", False):
        return "flow"
    if not hasattr(scheduler, "alphas_cumprod"):
        raise InputError(f"{name} has no alphas_cumprod: its noise is not known here")
    return "ddpm"


def apply_levels(scheduler: Any, sigmas: Tensor, device: Any = None) -> Any:
    """Put a list of levels into a scheduler, and look whether it took them.

    Args:
        scheduler: Changed in place, as set_timesteps does. One that takes whole timesteps gets the
            nearest of the table.
        sigmas: (n,) noise-to-signal ratios b / a, descending, without the final 0.
        device: Of its timesteps.

    Returns:
        The scheduler.

    Raises:
        InputError: For a scheduler that takes no list, with one that does; for levels that do not
            fall; and where the scheduler's settings would change the list in silence.
    """
    levels = torch.as_tensor(sigmas, dtype=torch.float64).detach().cpu()
    if levels.dim() != 1 or not len(levels) or not bool((levels > 0).all()):
        raise InputError("levels must be positive, in one row: give sigma, without the final 0")
    if not bool((levels.diff() < 0).all()):
        raise InputError("levels must fall strictly: give them from noise to data, each once")
    name, kind = type(scheduler).__name__, kind_of(scheduler)
    _check_settings(scheduler, name)
    if name == "EDMEulerScheduler":
        _edm(scheduler, levels, device)
    elif name == "FlowMatchEulerDiscreteScheduler":
        _flow(scheduler, levels, device)
    elif name == _UNIPC and kind == "flow":
        s = levels / (1 + levels)
        before = _unshifted(s, scheduler.config.flow_shift)
        # It wants an array, and cuts its times to whole numbers, which no network was trained on.
        scheduler.set_timesteps(sigmas=before.numpy(), device=device)
        times = scheduler.config.num_train_timesteps * s
        scheduler.timesteps = times.to(scheduler.timesteps.device, torch.float32)
    elif name == "EulerDiscreteScheduler":
        # With the final 0, which its own conversion of timesteps appends elsewhere.
        scheduler.set_timesteps(sigmas=[*levels.tolist(), 0.0], device=device)
    elif kind == "ddpm" and name in (*_BY_STEPS, _UNIPC):
        table = StepTable(scheduler.alphas_cumprod)
        steps = table.time(snapped(levels, table.sigma)).round().long()
        levels = table.sigma[steps]
        if name == _UNIPC:
            _unipc(scheduler, steps, levels, device)
        else:
            scheduler.set_timesteps(timesteps=steps.tolist(), device=device)
    else:
        raise InputError(f"{name} takes no list of levels: use {_TAKERS[kind]}")
    found = levels_of(scheduler)
    if len(found) != len(levels) or not torch.allclose(found, levels, rtol=_CLOSE, atol=0):
        raise InputError(
            f"{name} did not take the levels: it has {[round(s, 4) for s in found.tolist()]}"
            f" instead of {[round(s, 4) for s in levels.tolist()]}; look at its config"
        )
    return scheduler


def levels_of(scheduler: Any) -> Tensor:
    """(n,) float64 noise-to-signal ratios of a scheduler's own list, without the final 0."""
    name, kind = type(scheduler).__name__, kind_of(scheduler)
    if not hasattr(scheduler, "sigmas") or name in (
        "DDPMScheduler",
        "LCMScheduler",
        "TCDScheduler",
    ):
        table = StepTable(scheduler.alphas_cumprod)
        return table.sigma[scheduler.timesteps.cpu().long().clamp(max=len(table.sigma) - 1)]
    sigmas: Tensor = scheduler.sigmas.detach().cpu().to(torch.float64)
    sigmas = sigmas[:-1]
    if name == "HeunDiscreteScheduler":
        # Each but the first is there twice.
        sigmas = torch.cat([sigmas[:1], sigmas[1::2]])
    if kind == "flow":
        # At s = 1 there is noise alone, and no ratio.
        sigmas = sigmas.clamp(max=1 - 1 / scheduler.config.num_train_timesteps)
        return sigmas / (1 - sigmas)
    return sigmas


def noise_of(scheduler: Any, sigma: float) -> float:
    """Standard deviation of x = x0 + sigma eps where this scheduler starts from noise at sigma."""
    name, kind = type(scheduler).__name__, kind_of(scheduler)
    if kind == "flow":
        return 1 + sigma
    plain = name in ("EulerDiscreteScheduler", "HeunDiscreteScheduler") and (
        scheduler.config.timestep_spacing in ("linspace", "trailing")
    )
    return sigma if plain else math.hypot(1.0, sigma)


def table_levels(scheduler: Any) -> Tensor | None:
    """(m,) ascending, the only levels that a scheduler takes; None for any."""
    name = type(scheduler).__name__
    if name in _BY_STEPS or (name == _UNIPC and kind_of(scheduler) == "ddpm"):
        return StepTable(scheduler.alphas_cumprod).sigma
    return None


def held(scheduler: Any, sigmas: Tensor) -> Any:
    """A copy of a scheduler with levels (n,), which it keeps whatever steps are asked for."""
    mine = copy.deepcopy(scheduler)
    levels = sigmas.clone()
    take = mine.set_timesteps

    def set_timesteps(*_: Any, device: Any = None, **__: Any) -> None:
        # apply_levels calls the class's own, which is there meanwhile.
        mine.set_timesteps = take
        try:
            apply_levels(mine, levels, device)
        finally:
            mine.set_timesteps = set_timesteps

    set_timesteps()
    return mine


def _check_settings(scheduler: Any, name: str) -> None:
    config = scheduler.config
    blocking = [flag for flag in _CONVERSIONS if config.get(flag, False)]
    if blocking:
        raise InputError(
            f"{name} with {blocking[0]}=True makes a list of its own: use"
            f" {name}.from_config(scheduler.config, {blocking[0]}=False)"
        )
    if config.get("shift_terminal"):
        raise InputError(
            f"{name} with shift_terminal stretches the list: use"
            f" {name}.from_config(scheduler.config, shift_terminal=None)"
        )
    if config.get("final_sigmas_type", "zero") != "zero" and name != "EulerDiscreteScheduler":
        raise InputError(
            f"{name} with final_sigmas_type={config.final_sigmas_type!r} stops before 0: use"
            f" {name}.from_config(scheduler.config, final_sigmas_type='zero')"
        )
    if config.get("invert_sigmas", False):
        raise InputError(f"{name} with invert_sigmas=True runs the other way: levels do not fit")


def _edm(scheduler: Any, levels: Tensor, device: Any) -> None:
    """EDMEuler reads its `sigmas` as a ramp between its own ends, and starts from its own top."""
    if scheduler.config.sigma_schedule != "karras":
        raise InputError(
            "EDMEulerScheduler with sigma_schedule='exponential': use"
            " EDMEulerScheduler.from_config(scheduler.config, sigma_schedule='karras')"
        )
    first = float(levels[0])
    if not math.isclose(first, scheduler.config.sigma_max, rel_tol=1e-9):
        # The first noise is made by config.sigma_max, whatever the list starts with.
        scheduler.register_to_config(sigma_max=first)
    rho = float(scheduler.config.rho)
    high, low = first ** (1 / rho), float(scheduler.config.sigma_min) ** (1 / rho)
    scheduler.set_timesteps(sigmas=(levels ** (1 / rho) - high) / (low - high), device=device)


def _unipc(scheduler: Any, steps: Tensor, levels: Tensor, device: Any) -> None:
    """Steps of the table and their levels, (n,) each, in place of a list of its own, of as many."""
    scheduler.set_timesteps(len(steps), device=device)
    scheduler.sigmas = torch.cat([levels, levels.new_zeros(1)]).to(torch.float32)
    scheduler.timesteps = steps.to(scheduler.timesteps.device)
    scheduler.num_inference_steps = len(steps)


def _flow(scheduler: Any, levels: Tensor, device: Any) -> None:
    s = levels / (1 + levels)
    if not scheduler.config.use_dynamic_shifting:
        s = _unshifted(s, scheduler.shift)
        scheduler.set_timesteps(sigmas=s.tolist(), device=device)
        return
    # A shift by the image's size that changes nothing.
    neutral = 0.0 if scheduler.config.time_shift_type == "exponential" else 1.0
    scheduler.set_timesteps(sigmas=s.tolist(), mu=neutral, device=device)


def _unshifted(s: Tensor, shift: float) -> Tensor:
    return s / (shift - (shift - 1) * s)
