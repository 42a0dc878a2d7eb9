"""A finished run: its settings, its averaged network and what it takes to use them."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.app.trained import TrainedRun
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling.churn import Churn
from infonoise_core.sampling.generate import sampler_churn, sampler_levels
from infonoise_core.sampling.guidance import autoguided, guided
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.sampling.solvers import Sample
from infonoise_vision.data.fingerprint import pair_channels
from infonoise_vision.data.formats.source import Rows
from infonoise_vision.data.images import ImageSet
from infonoise_vision.data.latent_code import LatentCode
from infonoise_vision.data.latents import decoded
from infonoise_vision.methods.conditioning import condition_of, conditioning_of
from infonoise_vision.methods.diffusion import channel_of
from infonoise_vision.methods.options import ImageOptions, Objective
from infonoise_vision.models.conditions import Condition
from infonoise_vision.models.staged import StagedDenoiser
from infonoise_vision.sampling.completion import null_space, renoised, replaced
from infonoise_vision.sampling.images import generate_each
from infonoise_vision.sampling.options import check_method
from infonoise_vision.sampling.staged import StagedLevels, staged_levels

# Images at a time: more leave the caches of a processor and take longer.
_CPU_CHUNK = 64


@dataclass(frozen=True)
class Sampling:
    """A run's sampler: noise levels and the rest of a command's options.

    Attributes:
        sigmas: (k,) descending.
        churn: Relative increase of noise at a level; None for none.
        stages: The levels of a run in stages; None for others.
        model: Of such a run.
    """

    config: SamplerConfig
    sigmas: Tensor
    churn: Churn | None
    stages: StagedLevels | None = None
    model: StagedDenoiser | None = None

    def chunks(
        self,
        denoiser: Denoiser,
        shape: tuple[int, int, int],
        n: int,
        condition: Mapping[str, Tensor],
        device: torch.device,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Sample]:
        """n images of `shape` in chunks on the CPU; InputError where they are not finite.

        An image depends on the seed and its place alone. What is to be completed, of which parts
        are given, is drawn at its full side in runs with stages, too.

        Args:
            condition: Keyword arguments of the denoiser, (n, ...) each.
            device: Where the denoiser is.
            progress: Called with (images just done, n).
        """
        draws = [(self.config.seed, place) for place in range(n)]
        return self.each(denoiser, shape, draws, condition, device, progress)

    def each(
        self,
        denoiser: Denoiser,
        shape: tuple[int, int, int],
        draws: Sequence[tuple[int, int]],
        condition: Mapping[str, Tensor],
        device: torch.device,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Sample]:
        """The same, one image for each seed and place of `draws` (n,)."""
        config = self.config
        # Pairs are halved with the images; what else is known of these is known at the full side.
        paired = self.model is not None and self.model.pair > 0
        staged = paired or "given" not in condition
        # What is drawn does not depend on it.
        chunk = min(config.chunk, _CPU_CHUNK) if device.type == "cpu" else config.chunk
        for part in generate_each(
            denoiser, shape, draws, (self.stages if staged else None) or self.sigmas,
            solver=config.solver, churn=self.churn, s_noise=config.s_noise, chunk=chunk,
            condition=condition, progress=progress, device=device, model=self.model,
        ):  # fmt: skip
            yield refuse_nan(part)


@dataclass(frozen=True)
class ImageRun:
    """A finished run of images, and what its samplers need.

    Attributes:
        settings: Of its config.json.
        denoiser: With the averaged weights, on its device.
        profile: As measured in training; None where there is none.
        step: Optimizer steps it was trained for.
        guide: A weaker denoiser of the same images, which guidance leads away from; None for none.
        between: Noise levels of guidance.
    """

    path: Path
    settings: dict[str, Any]
    objective: Objective
    denoiser: nn.Module
    profile: EntropyRateProfile | None
    step: int
    guide: nn.Module | None = None
    between: tuple[float, float] = (0.0, math.inf)

    @classmethod
    def of(cls, run: TrainedRun[ImageOptions]) -> "ImageRun":
        """The run that core has opened."""
        objective = run.options.objective
        return cls(run.path, run.settings, objective, run.denoiser, run.profile, run.step)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        c, h, w = self.settings["images"]["shape"]
        return c, h, w

    @property
    def levels(self) -> int | None:
        """Grey levels of the images; None for real numbers."""
        levels: int | None = self.settings["images"].get("levels")
        return levels

    def pictures(self, x0: Tensor, autoencoder: Path | None = None) -> Tensor:
        """What the run makes (n, ...), as images of scale 1: latents are decoded.

        Args:
            autoencoder: Where its folder is now.
        """
        x0 = x0 / self.objective.scale
        code = self.settings["images"].get("latents")
        folder = autoencoder or self.objective.latents
        if code is None or folder is None:
            return x0
        return decoded(x0, LatentCode(**code), folder)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, whether the run was trained with them or not."""
        return tuple(self.settings["images"].get("classes", ()))

    @property
    def pair_channels(self) -> int:
        """Of what lies beside each image; 0 for nothing."""
        return pair_channels(self.settings["images"])

    @property
    def device(self) -> torch.device:
        """Where the denoiser is."""
        return next(self.denoiser.parameters()).device

    @property
    def channel(self) -> VarianceExploding:
        """The noise levels that the run was trained on."""
        return channel_of(self.objective)

    def sampling(self, config: SamplerConfig) -> Sampling:
        """The options of a command, for this run's noise levels and profile."""
        low, high = self.objective.span
        sigmas = sampler_levels(config, low, high, self.profile)
        churn = sampler_churn(config, self.profile)
        if not isinstance(self.denoiser, StagedDenoiser):
            return Sampling(config, sigmas, churn)

        plain = replace(config, sigma_min=None, sigma_max=None)

        def grid(n: int, low: float, high: float) -> Tensor:
            return sampler_levels(replace(plain, steps=n), low, high, self.profile)

        low, high = float(sigmas[-1]), float(sigmas[0])
        births: list[float] = self.denoiser.births.tolist()
        if not low < births[0] <= births[-1] < high:
            raise InputError(
                f"noise levels from {high:g} to {low:g} do not hold all births of {self.path}"
                f" ({', '.join(f'{level:.3g}' for level in births)}); leave out --sigma-min and"
                " --sigma-max"
            )
        stages = staged_levels(config.steps, low, high, births, grid)
        return Sampling(config, sigmas, churn, stages, self.denoiser)

    def condition(self) -> Condition | None:
        """What is known of an image, as the run was trained."""
        return condition_of(self.objective, self.shape, len(self.classes), self.pair_channels)

    def conditioning(self, images: ImageSet, rows: Rows, seed: int = 0) -> dict[str, Tensor]:
        """What the denoiser is given beside the images at `rows` (n,); see `conditioning_of`."""
        return conditioning_of(self.objective, images, rows, seed)

    def guided_denoiser(self, scale: float, seed: int, null: Mapping[str, Tensor]) -> Denoiser:
        """The run's denoiser under guidance, its condition noised anew at every call.

        Args:
            null: What stands for "no condition", one row (1, ...) of each argument.

        Raises:
            InputError: For a scale other than 1 where there is none.
        """
        denoiser = self._noising(seed)
        if scale == 1:
            return denoiser
        if self.guide is not None:
            return autoguided(denoiser, self.guide, scale, self.between)
        if not null:
            raise InputError(
                f"--guidance {scale:g}: {self.path} has nothing to be guided by; train with"
                " --conditional or --condition, and a share without it"
            )
        return guided(denoiser, scale, self.between, **null)

    def null(self) -> dict[str, Tensor]:
        """No class, and no condition, as far as the run was trained to go without.

        Returns:
            label: (1,), the index after the last class.
            withheld: (1,) true.
        """
        null: dict[str, Tensor] = {}
        if self.objective.conditional and self.objective.label_dropout:
            null["label"] = torch.tensor([len(self.classes)], device=self.device)
        if self.objective.condition is not None and self.objective.condition_dropout:
            null["withheld"] = torch.ones(1, dtype=torch.bool, device=self.device)
        return null

    def completing(self, method: str, condition: Condition, config: SamplerConfig) -> Denoiser:
        """A denoiser that takes what is known of an image, by one of METHODS."""
        check_method(method)
        if method == "trained":
            if self.objective.condition is None:
                raise InputError(
                    f"{self.path}: was trained without --condition; give --method ddnm"
                )
            return self.guided_denoiser(config.guidance, config.seed, self.null())
        if self.objective.condition is not None:
            raise InputError(
                f"{self.path}: was trained with --condition {self.objective.condition}, and"
                f" --method {method} is for runs without; leave it out"
            )
        free = self.guided_denoiser(config.guidance, config.seed, self.null())
        if method == "ddnm":
            return null_space(free, condition)
        return replaced(free, condition, config.seed, self.denoiser)

    def _noising(self, seed: int) -> Denoiser:
        condition = self.condition()
        if condition is None or not self.objective.condition_noise:
            return self.denoiser
        return renoised(self.denoiser, condition, seed)


def refuse_nan(sample: Sample) -> Sample:
    """The sample; InputError where it holds NaN or infinite values."""
    if not sample.x.isfinite().all():
        raise InputError("the run's images are not finite; train again with a lower --lr")
    return sample
