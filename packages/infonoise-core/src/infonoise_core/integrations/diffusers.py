"""Models of Hugging Face Diffusers: their denoiser, their channel, and better levels for them.

choice = levels_for(pipeline, images, calls=10)
print(choice)
pipeline.scheduler = choice.scheduler
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.integrations.diffusers_levels import (
    LevelsFor,
    apply_levels,
    held,
    kind_of,
    levels_of,
    noise_of,
    table_levels,
)
from infonoise_core.integrations.diffusers_schedulers import MULTISTEP, scheduler_for, stock_lists
from infonoise_core.processes.channel import Channel, RectifiedFlow, VarianceExploding
from infonoise_core.processes.denoiser import EDMDenoiser
from infonoise_core.processes.discrete import DiscreteDDPM
from infonoise_core.processes.wrapped import NetworkDenoiser
from infonoise_core.sampling.choose import choose_levels, levels_in

__all__ = [
    "LevelsFor",
    "apply_levels",
    "channel",
    "denoiser",
    "levels_for",
    "levels_of",
    "scheduler_for",
]

_TARGETS = ("epsilon", "v_prediction", "sample")
# What other libraries call the condition that Diffusers calls differently.
_NAMES = {"label": "class_labels"}


def denoiser(network: nn.Module, scheduler: Any, **fixed: Any) -> nn.Module:
    """D(x, sigma, condition) of a U-Net or transformer under the scheduler it was trained with.

    Args:
        network: UNet2DModel, UNet2DConditionModel, DiTTransformer2DModel and others of their kind.
        scheduler: Of the model, for the prediction type and the levels.
        fixed: Conditions of every call, such as encoder_hidden_states; a row of one is repeated.
    """
    config, kind = scheduler.config, kind_of(scheduler)
    call = Call(network)
    fixed = {_NAMES.get(name, name): value for name, value in fixed.items()}
    if config.get("thresholding", False):
        raise InputError("thresholding=True clips by quantiles: levels for it are not measured")
    if kind == "edm":
        return _EDM(call, config.sigma_data, config.prediction_type, fixed)
    clip = config.clip_sample_range if config.get("clip_sample", False) else None
    if kind == "flow":
        steps = float(config.num_train_timesteps)
        return NetworkDenoiser(call, None, "flow", time_scale=steps, fixed=fixed)
    if config.prediction_type not in _TARGETS:
        raise InputError(
            f"prediction_type {config.prediction_type!r} of {type(scheduler).__name__}: only"
            f" {', '.join(_TARGETS)} can be read"
        )
    return NetworkDenoiser(
        call, scheduler.alphas_cumprod, config.prediction_type, clip=clip, fixed=fixed
    )


def channel(scheduler: Any) -> Channel:
    """The channel of the noise that a scheduler's model was trained with; latents are as images.

    A shift of flow matching changes which levels its own list takes, not the channel.
    """
    config, kind = scheduler.config, kind_of(scheduler)
    if kind == "edm":
        return VarianceExploding(config.sigma_min, config.sigma_max)
    if kind == "flow":
        ends = 1 / config.num_train_timesteps
        return RectifiedFlow(1.0, sigma_min=ends / (1 - ends), sigma_max=(1 - ends) / ends)
    return DiscreteDDPM(scheduler.alphas_cumprod)


def levels_for(
    pipeline: Any,
    data: Tensor,
    calls: int,
    solver: str | None = None,
    *,
    condition: Mapping[str, Tensor] | None = None,
    **options: Any,
) -> LevelsFor:
    """Better levels for a pipeline, measured on examples, and the scheduler that takes them.

    Args:
        pipeline: One with a scheduler and a unet or a transformer, or a pair (network, scheduler).
        data: (n, c, h, w) examples as the pipeline makes them, -1 to 1; some hundred. Where the
            pipeline has a VAE, images or latents.
        calls: Of the network, in each of the samples to make.
        solver: euler, heun, dpmpp-2m or unipc; what the scheduler does by default.
        condition: Keyword arguments of the network, (n, ...) each.
        options: Of `choose_levels`.
    """
    network, scheduler = _parts(pipeline)
    solver = solver or _solver_of(scheduler, _scales(pipeline))
    target = scheduler_for(scheduler, solver)
    if hasattr(target, "scale_model_input") and solver not in MULTISTEP and not _scales(pipeline):
        raise InputError(
            f"{type(pipeline).__name__} never scales the network's input, as"
            f" {type(target).__name__} needs: give solver dpmpp-2m, or the pair (network,"
            " scheduler) and a loop that calls scale_model_input"
        )
    x0 = _as_latents(pipeline, network, data)
    weight = next(network.parameters())
    x0 = x0.to(weight.device, torch.float32)
    pixels = getattr(pipeline, "vae", None) is None and float(x0.abs().max()) <= 1
    renamed = {_NAMES.get(name, name): value for name, value in (condition or {}).items()}
    n = levels_in(calls, solver)
    was_training = network.training
    network.eval()
    try:
        choice = choose_levels(
            _as_run(network, target), x0, channel(scheduler), calls, solver,
            stock=stock_lists(scheduler, target, n), allowed=table_levels(target),
            spread=lambda sigma: noise_of(target, sigma), condition=renamed,
            reference=_at_its_best(network, scheduler, pixels),
            finish=_to_pixels if pixels else None, **options,
        )  # fmt: skip
    finally:
        network.train(was_training)
    return LevelsFor(choice, held(target, choice.sigmas))


def _as_run(network: nn.Module, target: Any) -> nn.Module:
    """D as the target runs the model: it does not clip where the model's own scheduler may."""
    model = denoiser(network, target)
    if isinstance(model, NetworkDenoiser):
        # Levels between those of the table get the nearest step there.
        model.whole_steps = table_levels(target) is not None
    return model


def _at_its_best(network: nn.Module, scheduler: Any, pixels: bool) -> nn.Module:
    """D of the model for a fine solve: x0 clipped, as its scheduler does or as its pixels are.

    At high noise x0 = x - sigma eps magnifies the network's error by sigma, and without clipping a
    fine solve carries it along, far from anything that the model was trained on.
    """
    model = denoiser(network, scheduler)
    if isinstance(model, NetworkDenoiser) and model.table is not None and pixels:
        model.clip = model.clip or 1.0
    return model


def _to_pixels(x: Tensor) -> Tensor:
    """What pipelines of pixels do at their end."""
    return x.clamp(-1, 1)


class Call(nn.Module):
    """A network of Diffusers by its own names: x first, the time as `timestep`, by keyword."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        forward = getattr(network, "forward", network)
        self._by_name = "timestep" in inspect.signature(forward).parameters

    def forward(self, x: Tensor, time: Tensor, **condition: Any) -> Any:
        named = {_NAMES.get(name, name): value for name, value in condition.items()}
        if self._by_name:
            return self.network(x, timestep=time, **named)
        return self.network(x, time, **named)


class _EDM(EDMDenoiser):
    """EDM's preconditioning around a network of Diffusers; v has the other sign."""

    def __init__(
        self, network: Call, sigma_data: float, prediction: str, fixed: Mapping[str, Any]
    ) -> None:
        if prediction not in ("epsilon", "v_prediction"):
            raise InputError(f"prediction_type {prediction!r} of EDM: give epsilon or v_prediction")
        super().__init__(
            _Signed(network, -1.0 if prediction == "v_prediction" else 1.0), sigma_data
        )
        self.fixed = dict(fixed)

    def forward(self, x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        return super().forward(x, sigma, **{**self.fixed, **condition})


class _Signed(nn.Module):
    def __init__(self, network: Call, sign: float) -> None:
        super().__init__()
        self.network, self.sign = network, sign

    def forward(self, x: Tensor, time: Tensor, **condition: Any) -> Tensor:
        answer = self.network(x, time, **condition)
        out: Any = getattr(answer, "sample", answer)
        out = out[0] if isinstance(out, tuple) else out
        signed: Tensor = self.sign * out
        return signed


def _parts(pipeline: Any) -> tuple[nn.Module, Any]:
    if isinstance(pipeline, tuple):
        network, scheduler = pipeline
        return network, scheduler
    network = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    scheduler = getattr(pipeline, "scheduler", None)
    if network is None or scheduler is None:
        raise InputError(
            f"{type(pipeline).__name__} has no unet or transformer with a scheduler: give the pair"
            " (network, scheduler)"
        )
    return network, scheduler


def _scales(pipeline: Any) -> bool:
    """Whether a pipeline's loop calls scale_model_input; a pair's is taken to."""
    if isinstance(pipeline, tuple):
        return True
    return "scale_model_input" in inspect.getsource(type(pipeline).__call__)


def _solver_of(scheduler: Any, scales: bool) -> str:
    name = type(scheduler).__name__
    if name.startswith("UniPC"):
        return "unipc"
    if kind_of(scheduler) == "ddpm" and not scales:
        return "dpmpp-2m"
    if name.startswith("Heun"):
        return "heun"
    if kind_of(scheduler) != "ddpm" or name.startswith(("Euler", "DDIM")):
        return "euler"
    return "dpmpp-2m"


@torch.no_grad()
def _as_latents(pipeline: Any, network: nn.Module, data: Tensor) -> Tensor:
    """Latents of images where the pipeline has a VAE; what already are latents, as they are."""
    vae = getattr(pipeline, "vae", None)
    wanted = getattr(getattr(network, "config", None), "in_channels", None)
    if vae is None or (wanted is not None and data.dim() > 1 and data.shape[1] == wanted):
        return data
    encode: Callable[[Tensor], Any] = vae.encode
    weight = next(vae.parameters())
    parts = [
        encode(data[i : i + 16].to(weight.device, weight.dtype)).latent_dist.mode()
        for i in range(0, len(data), 16)
    ]
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    latents: Tensor = (torch.cat(parts) - shift) * vae.config.scaling_factor
    return latents
