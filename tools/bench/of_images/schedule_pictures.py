"""What the networks draw that a comparison of schedules has trained."""

from pathlib import Path
from statistics import fmean

import torch

import comparisons
from infonoise_core.app.results import with_error
from infonoise_core.sampling.generate import generate
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.training.record.weights import load_denoiser
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.fid import frechet_distance, kernel_distance
from infonoise_vision.evaluation.generated import count, features
from infonoise_vision.methods.diffusion import denoiser_of, load
from infonoise_vision.methods.options import Objective
from of_images import vision_runs
from report import Cell, Goal, Section, Table
from suite import Tick

SCHEDULES = ("edm", "log-uniform", "logit-normal", "infonoise")
LEVELS = 18


def section(comparison: comparisons.Comparison, quick: bool, seed: int, tick: Tick) -> Section:
    """Distances of each schedule's final networks, beside their bits per dim."""
    outcome = comparisons.Outcome(comparisons.results(comparison, quick, tick))
    objective = Objective(size=vision_runs.SIZE)
    images, held_out = load(objective, str(vision_runs.DATA)).both
    judge = vision_runs.classifier(images, tick)
    samples = vision_runs.SAMPLES_QUICK if quick else vision_runs.SAMPLES
    real, floor = (
        features(_some(part, samples, seed), judge.features_of) for part in (held_out, images)
    )
    found: dict[str, tuple[list[float], list[float]]] = {}
    for name in SCHEDULES:
        found[name] = ([], [])
        for repeat in range(outcome.seeds):
            tick(f"{name}, seed {repeat}")
            run = comparisons.folder(comparison, quick) / "runs" / f"{name}-seed{repeat}"
            made = judge.features_of(_drawn(objective, images, run, samples, seed))
            found[name][0].append(frechet_distance(real, made))
            found[name][1].append(kernel_distance(real, made)[0])
    n = count(samples)
    rows: list[list[Cell]] = [
        ["real images", None, f"{frechet_distance(real, floor):.3f}",
         f"{kernel_distance(real, floor)[0]:.4f}"]
    ]  # fmt: skip
    rows += [
        [name, with_error(outcome.finals(name), ".3f"), with_error(frechet, ".3f"),
         with_error(kernel, ".4f")]
        for name, (frechet, kernel) in found.items()
    ]  # fmt: skip
    table = Table(
        f"The networks of Grey Fashion-MNIST after {outcome.steps:.0f} steps",
        f"{samples} images of each, by Heun with {2 * LEVELS - 1} calls on Karras' grid, against"
        f" {samples} held-out ones in features of a classifier of the training images. ± is the"
        " standard error over seeds. Bits per dim count what low noise hides, distances what it"
        " leaves: the two ask for different distributions.",
        ["schedule", "bits per dim", f"fd_clf_{n}", f"kid_clf_{n}"],
        rows,
    )
    best = min(fmean(found[name][0]) for name in SCHEDULES if name != "infonoise")
    in_bits = _best_in_bits(outcome)
    goals = [
        Goal(f"infonoise: fd_clf_{n} over the best fixed schedule's",
             fmean(found["infonoise"][0]) / best, "at most", 1.05, ".2f"),
        Goal(f"infonoise: fd_clf_{n} over that of the schedule with the best bits per dim",
             fmean(found["infonoise"][0]) / fmean(found[in_bits][0]), "at most", 1.05, ".2f"),
    ]  # fmt: skip
    return Section("What the schedules' networks draw", [table], goals)


def _best_in_bits(outcome: comparisons.Outcome) -> str:
    fixed = [name for name in SCHEDULES if name != "infonoise"]
    return min(fixed, key=lambda name: fmean(outcome.finals(name)))


def _some(images: ImageSet, samples: int, seed: int) -> ImageSet:
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:samples]
    return images.take(chosen.sort().values.numpy())


def _drawn(
    objective: Objective, images: ImageSet, run: Path, samples: int, seed: int
) -> torch.Tensor:
    denoiser = denoiser_of(objective, images.shape, len(images.classes), 0)
    load_denoiser(run, denoiser)
    sigmas = karras_grid(LEVELS, *objective.span)
    sample = generate(
        denoiser, images.shape, samples, sigmas, solver="heun", seed=seed, chunk=vision_runs.CHUNK
    )
    return sample.x.clamp(-1, 1)
