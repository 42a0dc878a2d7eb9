"""Our models as a pipeline of Hugging Face Diffusers, in folders that it writes and reads.

    pipeline = InfoNoisePipeline.from_pretrained(folder)
    images = pipeline(batch_size=4).images

The network, its preconditioning and the noise levels lie in the folder; no code does, so this
package has to be installed, and nothing has to be trusted.
"""

# Diffusers may be absent where this is type-checked; its classes are Any then.
# mypy: disallow-subclassing-any=False, disallow-untyped-decorators=False
# mypy: disallow-untyped-calls=False

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor

from infonoise_core.config.tree import from_plain
from infonoise_core.errors import InputError
from infonoise_core.sampling.guidance import guided
from infonoise_core.sampling.solvers import solve
from infonoise_vision.methods.diffusion import denoiser_of
from infonoise_vision.methods.options import Objective


class Network(ModelMixin, ConfigMixin):
    """D(x, sigma, label) of a run, saved as Diffusers saves its models.

    Args:
        objective: Of the run's config.json.
        shape: (c, h, w) of an image.
        classes: Their names.
        levels: Grey levels of the images, for a head of symbols.
        theirs: Settings of a network of Diffusers.
    """

    @register_to_config
    def __init__(
        self,
        objective: Mapping[str, Any],
        shape: Sequence[int],
        classes: Sequence[str] = (),
        levels: int | None = None,
        theirs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        kind: Any = Objective
        settings: Objective = from_plain(kind, dict(objective))
        c, h, w = shape
        self.denoiser = denoiser_of(settings, (c, h, w), len(classes), 0, levels, theirs=theirs)

    def forward(self, sample: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        """x0 (n, c, h, w) of noisy images and levels (n,)."""
        given = {} if label is None else {"label": label}
        found: Tensor = self.denoiser(sample, sigma, **given)
        return found


class InfoNoisePipeline(DiffusionPipeline):
    """Images from noise, by the levels and the solver that stand in its config.

    Args:
        network: Of the run.
        sigmas: Noise levels, descending, without the final 0.
        solver: A name in core's SOLVERS.
    """

    def __init__(
        self, network: Network, sigmas: Sequence[float] = (), solver: str = "heun"
    ) -> None:
        super().__init__()
        mine: Any = self
        mine.register_modules(network=network)
        mine.register_to_config(sigmas=list(sigmas), solver=solver)
        self.sigmas, self.solver = list(sigmas), solver

    @torch.no_grad()
    def __call__(
        self,
        batch_size: int = 1,
        generator: torch.Generator | None = None,
        class_labels: Sequence[int] | Tensor | None = None,
        guidance_scale: float = 1.0,
        sigmas: Sequence[float] | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> Any:
        """Images of shape (batch, h, w, c), 0 to 1, or as PIL has them.

        Args:
            batch_size: How many.
            generator: Of the starting noise.
            class_labels: (batch,), for a network that knows classes; left out, of no class.
            guidance_scale: Strength of the class, 1 for none beyond it.
            sigmas: Other levels.
            output_type: pil, np or pt.
            return_dict: Else a tuple.
        """
        mine: Any = self
        network, config = mine.network, mine.network.config
        levels = torch.tensor(list(sigmas or self.sigmas), dtype=torch.float64)
        shape = (batch_size, *config.shape)
        at = generator.device if generator is not None else torch.device("cpu")
        noise = torch.randn(shape, generator=generator, device=at)
        noise = noise.to(mine.device, torch.float32)
        given = self._labels(class_labels, batch_size)
        denoise: Any = network
        if guidance_scale != 1:
            null = {name: torch.full_like(v[:1], len(config.classes)) for name, v in given.items()}
            if not null:
                raise InputError(
                    f"guidance_scale {guidance_scale:g}: this network knows no classes; leave it 1"
                )
            denoise = guided(network, guidance_scale, **null)
        x = float(levels[0]) * noise
        x0 = solve(denoise, x, levels, self.solver, condition=given).x
        scale = float(config.objective.get("scale", 1.0))
        pixels = (x0 / scale / 2 + 0.5).clamp(0, 1)
        images: Any = pixels if output_type == "pt" else pixels.permute(0, 2, 3, 1).cpu().numpy()
        if output_type == "pil":
            images = mine.numpy_to_pil(images)
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _labels(self, wanted: Sequence[int] | Tensor | None, n: int) -> dict[str, Tensor]:
        mine: Any = self
        config = mine.network.config
        if not config.objective["conditional"]:
            if wanted is not None:
                raise InputError("class_labels: this network knows no classes; leave them out")
            return {}
        null = len(config.classes)
        labels = torch.full((n,), null) if wanted is None else torch.as_tensor(wanted)
        if labels.shape != (n,) or not bool(((labels >= 0) & (labels <= null)).all()):
            raise InputError(
                f"class_labels of shape {tuple(labels.shape)}: give {n} of 0 to {null - 1}"
            )
        return {"label": labels.to(mine.device)}
