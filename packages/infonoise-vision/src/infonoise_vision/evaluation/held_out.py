"""Measures of a denoiser while it is trained, whatever schedule trains it."""

from functools import partial

import numpy as np
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.evaluation.measures import Measure
from infonoise_core.sampling.grids import karras_grid
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.bound import (
    Conditioning,
    LikelihoodBound,
    fixed_part,
    unconditional,
)
from infonoise_vision.evaluation.energy import energy_distance
from infonoise_vision.evaluation.options import LIMIT
from infonoise_vision.evaluation.watched import WatchedFrechet
from infonoise_vision.methods.conditioning import conditioning_of
from infonoise_vision.methods.options import Objective
from infonoise_vision.methods.watching import SOLVER, Watching
from infonoise_vision.sampling.drawn import drawn

# Generated and held-out images of the distance.
SAMPLES = 256


class ImageEvaluation:
    """Both measures of averaged weights, on fixed images, levels, noises and starting points.

    Args:
        samples: Images of the distance.
        limit: Held-out images of the bound, at most; drawn once.
        conditioning: What the denoiser is given; generated images get that of training images.
        watching: Their sampler, and whether a Fréchet distance is measured now and then.
    """

    def __init__(
        self,
        train: ImageSet,
        held_out: ImageSet,
        sigma_min: float,
        sigma_max: float,
        samples: int = SAMPLES,
        seed: int = 0,
        limit: int = LIMIT,
        conditioning: Conditioning = unconditional,
        watching: Watching | None = None,
    ) -> None:
        if min(len(train), len(held_out)) < 2:
            raise InputError(
                f"{train.name}: {len(train)} images to train on and {len(held_out)} held out;"
                " give more, and different ones"
            )
        self._held_out, held_out = held_out, fixed_part(held_out, limit, seed)
        self.bound = LikelihoodBound(held_out, train, sigma_min, sigma_max, seed, conditioning)
        self.samples = min(samples, len(held_out), len(train))
        rng = np.random.default_rng(seed)
        self._real = held_out.x0(rng.permutation(len(held_out))[: self.samples])
        others = rng.permutation(len(train))[: self.samples]
        same, self._given = train.x0(others), conditioning(train, others)
        self._watching = watching or Watching()
        self._sigmas = karras_grid(self._watching.eval_levels, sigma_min, sigma_max)
        self._shape, self._seed, self._scale = train.shape, seed, train.scale
        self.distance = f"energy_{self.samples}"
        self.floors = {self.distance: self._distance(same)}
        self._frechet: WatchedFrechet | None = None
        if self._watching.fid_every:
            self._frechet = WatchedFrechet(
                train, self._held_out, self._watching, self._sigmas, conditioning, seed
            )

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """bits_per_dim, its standard error, and the energy distance of generated images."""
        bits = self.bound(denoiser)
        generated = drawn(
            denoiser, self._shape, self.samples, self._sigmas,
            solver=self._watching.eval_solver, seed=self._seed, condition=self._given,
        )  # fmt: skip
        return {
            "bits_per_dim": bits.value,
            "bits_per_dim_stderr": bits.stderr,
            self.distance: self._distance(generated),
        }

    def by_example(self, denoiser: nn.Module) -> Tensor:
        """(n,) bits per dim of each held-out image."""
        return self.bound.by_example(denoiser)

    def at(self, denoiser: nn.Module, since: int, step: int, *, last: bool) -> dict[str, float]:
        """The same, with a Fréchet distance, precision and recall where they are due.

        Args:
            since: The step of the evaluation before.
            step: Optimizer steps done.
            last: Whether the run ends here.
        """
        found = self(denoiser)
        every = self._watching.fid_every
        if self._frechet is None or not (last or step // every > since // every):
            return found
        found |= self._frechet(denoiser)
        self.floors |= self._frechet.floors
        return found

    def _distance(self, x: Tensor) -> float:
        """From the held-out images, in pixels between -1 and 1 whatever the scale."""
        return energy_distance(x / self._scale, self._real / self._scale)

    def measures(self) -> list[Measure]:
        """What the numbers are; the first is what schedules are ranked by."""
        further = [] if self._frechet is None else [self._frechet.measure]
        solver, levels = self._watching.eval_solver, self._watching.eval_levels
        how = "DPM-Solver++(2M)" if solver == SOLVER else solver
        return [
            Measure(
                "bits_per_dim",
                "bits per dim",
                "Upper bound on the negative log-likelihood of held-out images, from the squared"
                " error of the"
                " averaged weights on a fixed set of noise levels and noises.",
            ),
            Measure(
                self.distance,
                f"energy distance ({self.samples})",
                f"Energy distance in pixel space between {self.samples} generated images"
                f" ({how}, {levels} levels) and {self.samples} held-out ones.",
            ),
            *further,
        ]


def evaluation_of(
    objective: Objective,
    images: ImageSet,
    held_out: ImageSet,
    samples: int = SAMPLES,
    watching: Watching | None = None,
) -> ImageEvaluation:
    """The measures of a network trained on these images.

    Raises:
        InputError: Where held-out images lack the labels that the network is given.
    """
    if held_out.labels is None and (objective.conditional or objective.condition == "label"):
        option = "--conditional" if objective.conditional else "--condition label"
        raise InputError(
            f"{held_out.name}: the held-out images have no labels for {option}; give them"
            " labels, or the training images alone, of which some are then held out"
        )
    return ImageEvaluation(
        images, held_out, *objective.span, samples,
        conditioning=partial(conditioning_of, objective), watching=watching,
    )  # fmt: skip
