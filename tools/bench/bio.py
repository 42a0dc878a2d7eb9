"""Regenerate docs/benchmarks/bio.md: encodings of DNA, and how good designs are.

Schedules and losses are compared on a page of their own (dna_laws.py). Takes an hour of one core;
runs that are finished stay in infonoise-bench and are not run again.
"""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from comparisons import QUICK_STEPS
from infonoise_bio.data.sequences import SequenceSet, load_sequences
from infonoise_bio.evaluation.held_out import DnaEvaluation
from infonoise_bio.methods.options import CROSS_ENTROPY, Objective
from infonoise_bio.methods.recipe import encoding_of, schedule_context
from infonoise_bio.methods.registry import DIFFUSION
from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.infonoise import Schedule
from infonoise_core.schedules.law import context_law
from infonoise_core.schedules.registry import make_schedule
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.loop import train
from of_dna.designs import (
    CHIP,
    PEAKS,
    PLANTED,
    PROMOTERS,
    TATA,
    TSS,
    baseline_designs,
    baselines,
    needed,
    quality,
)
from of_dna.lengths import lengths
from of_dna.long_windows import long_windows
from of_dna.redesign import redesign
from of_dna.streaming import streaming
from report import Cell, Goal, Section, Table
from suite import Suite, Tick

SCALES = (0.1, 1.0, 10.0)
# Equivariant or not, and the share of the steps.
SYMMETRIES = ((False, 1.0), (True, 0.5), (True, 1.0))
QUARTILES = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)


# Encodings x scales


@dataclass(frozen=True)
class Landing:
    """Where a distribution learned on one encoding and scale lies.

    Attributes:
        median: Of the learned profile over that of the closed form.
        learned, edm, uniform: Share of the closed form's law that each one's density covers.
    """

    closed: Sequence[float]
    found: Sequence[float]
    learned: float
    edm: float
    uniform: float

    @property
    def median(self) -> float:
        return self.found[1] / self.closed[1]


def overlap(schedule: Schedule, profile: EntropyRateProfile) -> float:
    """Common part of a schedule and a profile's law, as densities over log sigma: 0 to 1."""
    law = context_law()
    wanted = law.weighed(law.information(profile), None)
    wanted = wanted / (wanted * profile.width).sum()
    drawn = schedule.density(profile.sigma).to(wanted)
    return float((torch.minimum(wanted, drawn) * profile.width).sum())


def landing(sequences: SequenceSet, encoding: str, scale: float, steps: int) -> Landing:
    """Train under InfoNoise with everything else at its default."""
    objective = Objective("forward", encoding=encoding, scale=scale, loss=CROSS_ENTROPY)
    training = sequences.part("train")
    setting = schedule_context(objective, steps, training)
    closed = setting.symbols
    if closed is None:
        raise InputError(f"{encoding}: bases have a closed form; give an encoding of them")
    schedules = {name: make_schedule(name, setting) for name in ("infonoise", "edm", "log-uniform")}
    schedule = schedules["infonoise"]
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(steps=steps, batch_size=64, eval_every=0, save_every=steps)
        train(DIFFUSION.task(objective, training, 0), schedule, config, Path(folder))
        profile = EntropyRateProfile.load(Path(folder) / "profile.json")
    return Landing(
        closed.quantile(QUARTILES).tolist(),
        profile.quantile(QUARTILES).tolist(),
        *(overlap(one, closed) for one in schedules.values()),
    )


def encodings(quick: bool, seed: int, tick: Tick) -> Section:
    sequences = tss()
    steps = QUICK_STEPS if quick else 80
    found = {}
    for name in ("one-hot", "tetrahedron", "bits"):
        for scale in (1.0,) if quick else SCALES:
            tick(f"{name} x {scale:g}")
            found[name, scale] = landing(sequences, name, scale, steps)
    rows: list[list[Cell]] = [
        [name, scale, _three(at.closed), _three(at.found), at.learned, at.edm, at.uniform]
        for (name, scale), at in found.items()
    ]
    away = max(abs(math.log(at.median)) for at in found.values())
    table = Table(
        f"{steps} steps of 64 sequences each",
        "Sigma at 25, 50 and 75 % of the entropy, learned and of independent bases, and the share"
        " that each distribution covers of the law that the latter give: the more draws, the more"
        " nearly a base is half known. One configuration for all, but for encoding and scale.",
        ["encoding", "scale", "closed form", "learned", "infonoise covers", "edm", "log-uniform"],
        rows,
        {"scale": "g", **dict.fromkeys(("infonoise covers", "edm", "log-uniform"), ".2f")},
    )
    goals = [
        Goal("median sigma, learned over closed form, at most a factor", math.exp(away),
             "at most", 1.1, ".3f"),
        Goal("infonoise's distribution: least share of the closed form covered",
             min(at.learned for at in found.values()), "at least", 0.8, ".2f"),
        Goal("EDM's distribution: least share of the closed form covered",
             min(at.edm for at in found.values()), "at most", 0.5, ".2f",
             "A fixed schedule does not follow the encoding: compare the line above."),
    ]  # fmt: skip
    return Section("Encodings and scales under one configuration", [table], goals)


def _three(values: Sequence[float]) -> str:
    return "  ".join(f"{value:.3g}" for value in values)


# Strand symmetry


def strands(quick: bool, seed: int, tick: Tick) -> Section:
    """An equivariant network answers for both strands at twice the cost of an update."""
    sequences = load_sequences(needed(CHIP))
    training, held_out = sequences.part("train"), sequences.part("val")
    some = 64 if quick else 512
    held_out = held_out.take(np.linspace(0, len(held_out) - 1, some).astype(np.int64))
    whole = QUICK_STEPS // 6 if quick else 250
    config = TrainConfig(batch_size=64, lr_schedule="cosine", eval_every=0, seed=seed)
    rows: list[list[Cell]] = []
    for equivariant, share in SYMMETRIES:
        kind = "equivariant" if equivariant else "augmented"
        steps = round(whole * share)
        tick(f"{kind}, {steps} steps")
        objective = Objective("both", equivariant=equivariant, loss=CROSS_ENTROPY)
        evaluation = DnaEvaluation(
            training, held_out, encoding_of(objective), "both",
            objective.sigma_min, objective.sigma_max,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            result = train(
                DIFFUSION.task(objective, training, seed),
                make_schedule("infonoise", schedule_context(objective, steps, training)),
                replace(config, steps=steps, save_every=steps),
                Path(folder),
                evaluate=evaluation,
            ).evaluations[-1]
        rows.append([
            kind, steps, result["bits_per_base"], result["bits_per_base_stderr"],
            result["bits_below_independent"],
        ])  # fmt: skip
    columns = ["strands", "steps", "bits per base", "±", "below independent"]
    table = Table(
        "CTCF and PU.1 peaks, 100 bases",
        "An update of the equivariant network takes twice the time: half as many are an equal"
        " budget. Batches of 64; bits per base of some 500 validation sequences.",
        columns,
        rows,
        dict.fromkeys(columns[2:], ".4f"),
    )
    plain, half, equal = (float(str(row[2])) for row in rows)
    goal = Goal("equivariant: bits per base minus the augmented network's, as many steps",
                equal - plain, "at most", 0.0, "+.4f",
                f"In the same time, with half the steps: {half - plain:+.4f}.")  # fmt: skip
    return Section("With and without strand symmetry", [table], [goal])


def tss() -> SequenceSet:
    return load_sequences(needed(TSS))


SUITE = Suite(
    "bio",
    "Encodings and designs of DNA",
    {
        "encodings": encodings,
        "strands": strands,
        "promoters": partial(quality, PROMOTERS),
        "baselines": baselines,
        "planted": partial(quality, PLANTED),
        "peaks": partial(quality, PEAKS),
        "tata": partial(quality, TATA),
        "long": long_windows,
        "lengths": lengths,
        "baseline-designs": baseline_designs,
        "redesign": redesign,
        "streaming": streaming,
    },
)

if __name__ == "__main__":
    SUITE.main()
