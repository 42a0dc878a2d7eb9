"""Which images are generated and which real ones they are compared with: as many of both."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.progress import Reporter
from infonoise_vision.data.formats.source import CHUNK, Rows
from infonoise_vision.data.images import ImageSet
from infonoise_vision.models.conditions import Condition
from infonoise_vision.sampling.trained import ImageRun

# Which real images generated ones are compared with.
Split = Literal["test", "train"]
WORDS: dict[Split, str] = {"test": "held-out", "train": "training"}


@dataclass(frozen=True)
class Drawn:
    """As many generated as real images, all of scale 1; those of grey levels are kept as bytes.

    Attributes:
        generated: By the run.
        reference: Real ones it is compared with, of the part `against`.
        other: Real ones of the other part, for the floor; None where that has not so many.
        truth, hidden: Of completed images, what they were, and (n, 1, h, w) true at pixels that
            were not known; else None.
        label: (n,) true classes of completed images.
        known: Kind of features -> those of the reference and of the other (n, d), where they are
            there already.
    """

    generated: ImageSet
    reference: ImageSet
    other: ImageSet | None
    nfe: int
    truth: ImageSet | None = None
    hidden: Tensor | None = None
    label: Tensor | None = None
    against: Split = "test"
    known: Mapping[str, tuple[Tensor, Tensor | None]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many images were generated."""
        return len(self.generated)

    @property
    def tag(self) -> str:
        """What names of measures end in: the number, and `train` where that was a choice."""
        free = self.truth is None
        return f"{count(self.n)}_train" if free and self.against == "train" else count(self.n)


@dataclass(frozen=True)
class Plan:
    """Which images are drawn and compared.

    Attributes:
        given: The part whose classes and conditions the run is given, at `rows` (n,).
        reference, other, against: As in `Drawn`.
        notes: Which options cannot be met as they are, a line each.
    """

    given: ImageSet
    rows: Rows
    reference: ImageSet
    other: ImageSet | None
    against: Split
    notes: tuple[str, ...]


def plan(
    images: ImageSet,
    held_out: ImageSet,
    samples: int,
    seed: int,
    *,
    against: Split = "test",
    completing: bool = False,
) -> Plan:
    """As many images as there are real ones to compare with, at most `samples`.

    Args:
        completing: Held-out images are completed, and compared with training images: with
            themselves they would share what is known.  Else a run with classes is given those of
            the reference.
    """
    against = "train" if completing else against
    parts: dict[Split, ImageSet] = {"test": held_out, "train": images}
    besides: Split = "test" if against == "train" else "train"
    bounds = (len(images), len(held_out)) if completing else (len(parts[against]),)
    n = min(samples, *bounds)
    rng = np.random.default_rng(seed)
    rows = {name: np.sort(rng.permutation(len(part))[:n]) for name, part in parts.items()}
    taken = {name: _taken(part, rows[name]) for name, part in parts.items() if len(part) >= n}
    notes = [_cut(samples, n, parts, against, completing)] if n < samples else []
    if besides not in taken:
        notes.append(
            f"nothing stands beside the distances: there are {len(parts[besides])}"
            f" {WORDS[besides]} images, fewer than {n}"
        )
    given: Split = "test" if completing else against
    return Plan(
        parts[given], rows[given], taken[against], taken.get(besides), against, tuple(notes)
    )


def _taken(part: ImageSet, rows: Rows) -> ImageSet:
    return replace(part if len(rows) == len(part) else part.take(rows), scale=1.0)


def _cut(
    samples: int, n: int, parts: dict[Split, ImageSet], against: Split, completing: bool
) -> str:
    line = f"--samples {samples}: {n} images are drawn, as many as there are"
    if completing:
        return f"{line} of held-out and of training images"
    line += f" {WORDS[against]} images"
    if against == "test" and len(parts["train"]) > n:
        line += f"; --split train has {len(parts['train'])}"
    return line


def draw(
    run: ImageRun,
    images: ImageSet,
    held_out: ImageSet,
    samples: int,
    config: SamplerConfig,
    reporter: Reporter,
    *,
    condition: Condition | None = None,
    method: str = "trained",
) -> Drawn:
    """Generate images, or complete held-out ones by a `condition`; see `plan`.

    The values are kept as they come out.
    """
    chosen = plan(images, held_out, samples, config.seed, completing=condition is not None)
    return draw_plan(run, chosen, config, reporter, condition=condition, method=method)


def draw_plan(
    run: ImageRun,
    chosen: Plan,
    config: SamplerConfig,
    reporter: Reporter,
    *,
    condition: Condition | None = None,
    method: str = "trained",
    rounded: bool = False,
) -> Drawn:
    """The images of a plan.

    Args:
        rounded: To the grey levels of the data, as `sample` saves them; one byte a value is
            kept.
    """
    part = _classed(run, chosen.given, chosen.rows)
    inputs, denoiser = _inputs(run, part, chosen.rows, config, condition, method)
    pixels, nfe = _pixels(run, chosen, inputs, denoiser, config, reporter, rounded)
    levels = chosen.given.levels if rounded else None
    drawn = Drawn(
        ImageSet("generated", pixels, levels), chosen.reference, chosen.other, nfe,
        against=chosen.against,
    )  # fmt: skip
    # What was made of a class in turn has no truth of its own.
    if condition is None or part is not chosen.given:
        return drawn
    label = None if part.labels is None else torch.from_numpy(part.labels[chosen.rows])
    hidden = torch.ones(1, 1, 1, 1, dtype=torch.bool).expand(len(pixels), 1, *run.shape[1:])
    if "known" in inputs:
        hidden = inputs["known"] == 0
    return replace(drawn, truth=chosen.other, hidden=hidden, label=label)


def _classed(run: ImageRun, part: ImageSet, rows: Rows) -> ImageSet:
    """The part; with each class in turn at `rows`, where it has none and the run needs some."""
    needed = run.objective.conditional or run.objective.condition == "label"
    if part.labels is not None or not needed:
        return part
    labels = np.zeros(len(part), np.int64)
    labels[rows] = np.arange(len(rows)) % len(run.classes)
    return replace(part, labels=labels, classes=run.classes)


def _inputs(
    run: ImageRun,
    part: ImageSet,
    rows: Rows,
    config: SamplerConfig,
    condition: Condition | None,
    method: str,
) -> tuple[dict[str, Tensor], Denoiser]:
    inputs = run.conditioning(part, rows, config.seed)
    if condition is None:
        return inputs, run.guided_denoiser(config.guidance, config.seed, run.null())
    if run.objective.condition is None:
        label = None if part.labels is None else torch.from_numpy(part.labels[rows])
        rng = torch.Generator().manual_seed(config.seed)
        inputs |= condition.observe(part.x0(rows), label, rng)
    return inputs, run.completing(method, condition, config)


def _pixels(
    run: ImageRun,
    chosen: Plan,
    inputs: dict[str, Tensor],
    denoiser: Denoiser,
    config: SamplerConfig,
    reporter: Reporter,
    rounded: bool,
) -> tuple[NDArray[np.uint8] | NDArray[np.float32], int]:
    """(n, c, h, w) grey levels or values of scale 1, and calls of the denoiser for each image."""
    n, levels, scale = len(chosen.rows), chosen.given.levels, chosen.given.scale
    as_levels = rounded and levels is not None
    pixels = np.empty((n, *run.shape), np.uint8 if as_levels else np.float32)
    chunks = run.sampling(config).chunks(
        denoiser, run.shape, n, inputs, run.device, lambda done, _: reporter.advance(done)
    )
    start = nfe = 0
    for part in chunks:
        x, nfe = part.x / scale, part.nfe
        if levels is not None:
            x = x.clamp(-1, 1)
            if rounded:
                x = ((x + 1) / 2 * (levels - 1)).round()
        pixels[start : start + len(x)] = x.numpy()
        start += len(x)
    return pixels, nfe


def features(images: ImageSet, of: Callable[[Tensor], Tensor]) -> Tensor:
    """(n, d) of a whole set, part by part.

    Args:
        of: Images (b, c, h, w) in [-1, 1] -> (b, d).
    """
    return torch.cat([of(x) for x in in_parts(images)])


def features_of_both(
    reference: ImageSet, other: ImageSet | None, of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor | None]:
    """(n, d) of the reference and of the other real images, where there are some."""
    return features(reference, of), None if other is None else features(other, of)


def in_parts(images: ImageSet) -> Iterator[Tensor]:
    """Images (b, c, h, w) of a set, CHUNK at a time."""
    return (images.x0(slice(i, i + CHUNK)) for i in range(0, len(images), CHUNK))


def count(n: int) -> str:
    """For names: 256, 10k."""
    return f"{n // 1000}k" if n >= 1000 and n % 1000 == 0 else str(n)
