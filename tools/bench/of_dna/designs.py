"""How good designed sequences are: one run, its table of evidence, and goals read from it."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from comparisons import QUICK_STEPS
from infonoise_bio.methods.registry import BASELINES
from infonoise_core.errors import InputError
from of_dna.goals import Rows, hit_goals, planted_goals, promoter_goals, tata_goals
from report import Cell, Goal, Section, Table
from suite import WORK, Tick

DNA = Path("../shared/data/dna")
TSS = DNA / "ecoli_tss_50.csv.gz"
LENGTH = 50
CHIP = DNA / "tf_chip_100.csv.gz"
MAMMALS = DNA / "mammal_tata_promoters_300.csv.gz"
VERTEBRATES = DNA / "motifs" / "JASPAR2022_CORE_vertebrates.jaspar"
SIGMA70 = DNA / "motifs" / "ecoli_sigma70.jaspar"
# A run of some minutes on one core: what it learns last, it learns at a low rate.
SHORT = ("--batch-size", "64", "--lr-schedule", "cosine")
# As many at a time fit into a processor's cache: 256 take 1.7 times the time for each.
FITS = ("--chunk", "64")
# As many examples in more steps, where those are long.
SMALL = ("--batch-size", "32", "--lr-schedule", "cosine")

# The goals of a table of evidence, from its rows by name and all of its JSON.
Judge = Callable[[Rows, Mapping[str, Any]], list[Goal]]


@dataclass(frozen=True)
class Quality:
    """One run and its evaluation on the test part."""

    name: str
    title: str
    train: Sequence[str]
    evaluate: Sequence[str]
    judge: Judge
    needs: Path | None = None
    steps: int = 1000


def quality(case: Quality, quick: bool, seed: int, tick: Tick) -> Section:
    """Train what is not there yet, then evaluate."""
    if case.needs is not None:
        needed(case.needs)
    run = WORK / (f"{case.name}-quick" if quick else case.name)
    steps = ["--steps", str(QUICK_STEPS if quick else case.steps), "--seed", str(seed)]
    if not (run / "done.json").exists():
        tick("train")
        once = ["--eval-every", steps[1], "--save-every", steps[1]]
        command(["train", *case.train, "--out", str(run), *steps, *once])
    tick("evaluate")
    few = ["--samples", "100", "--levels", "2"] if quick else []
    command(["evaluate", str(run), *case.evaluate, *FITS, *few])
    found: dict[str, Any] = json.loads((run / "evaluation.json").read_text())
    rows = rows_of(found)
    columns = ["held_out", "generated", "markov", "real"]
    cells: list[list[Cell]] = [[name, *(row[c] for c in columns)] for name, row in rows.items()]
    heads = ["check", "held out", "generated", "Markov", "real to real"]
    table = Table(
        f"{number_of(found)} sequences of each kind",
        f"`infonoise-bio train {' '.join(case.train)}`, {steps[1]} steps; the first rows are"
        " bits per base of the model and of Markov chains. k-mer spectra, GC and CpG prove nothing"
        " alone: the Markov chain passes them.",
        heads,
        cells,
        dict.fromkeys(heads[1:], ".4f"),
    )
    return Section(case.title, [table], case.judge(rows, found))


def rows_of(found: Mapping[str, Any]) -> Rows:
    """Name of a check -> held_out, generated, markov, real, explanation, of an evaluation.json.

    The likelihood comes first: the model's as `generated` beside each chain's.
    """
    rows: dict[str, dict[str, Any]] = {}
    for table in found["tables"]:
        for row in table["rows"]:
            values = row["values"]
            if table["name"] == "likelihood":
                model = values["model"]
                for chain in ("everywhere the same", "by position"):
                    value = values["Markov" if chain.startswith("every") else f"Markov {chain}"]
                    rows[f"bits per base, Markov {chain}"] = _row(None, model, value, None)
                if "exact" in values:
                    rows["bits per base, exact"] = _row(values["exact"], model, None, None)
            else:
                rows[row["name"]] = _row(
                    values["held out"], values["generated"], values["Markov"],
                    values["real to real"], row["explanation"],
                )  # fmt: skip
    return rows


def bits_of(found: Mapping[str, Any]) -> tuple[float, float]:
    """Bits per base of the model in an evaluation.json, and their error."""
    (row,) = found["tables"][0]["rows"]
    return row["values"]["model"], row["stderr"]["model"]


def number_of(found: Mapping[str, Any]) -> int:
    """Sequences of each kind in an evaluation.json."""
    return int(found["tables"][-1]["settings"]["sequences"])


def _row(
    held_out: float | None,
    generated: float | None,
    markov: float | None,
    real: float | None,
    explanation: str = "",
) -> dict[str, Any]:
    return {
        "held_out": held_out, "generated": generated, "markov": markov, "real": real,
        "explanation": explanation,
    }  # fmt: skip


PROMOTERS = Quality(
    "bio-quality-tss", "Designed E. coli promoters",
    [str(TSS), "--strand", "forward", *SHORT],
    ["--motifs", str(SIGMA70), "--motif", "EC10.1@35-41", "--motif-rate", "0.001"],
    promoter_goals, TSS, steps=2500,
)  # fmt: skip
# A base of the default network hears 40 on either side. Shares of G and C differ from sequence to
# sequence along all of it, so longer ones take the network that sees all of it at the same cost.
PEAKS = Quality(
    "bio-quality-peaks", "Designed CTCF and PU.1 peaks, 100 bases",
    [str(CHIP), "--strand", "both", "--label", "label", "--network", "coarse", *SHORT],
    ["--motifs", str(VERTEBRATES), "--motif", "MA0139.1", "--motif", "MA0080.6"],
    partial(hit_goals, motifs=("CTCF", "Spi1")), CHIP, steps=5000,
)  # fmt: skip
TATA = Quality(
    "bio-quality-tata", "Designed TATA promoters of mouse and man, 300 bases",
    [str(MAMMALS), "--strand", "forward", "--label", "label", "--network", "coarse", *SMALL],
    ["--motifs", str(VERTEBRATES), "--motif", "MA0108.2@210-230"],
    tata_goals, MAMMALS, steps=1600,
)  # fmt: skip
PLANTED = Quality(
    "bio-quality-planted", "Planted motifs, where the truth is known",
    ["planted", "--strand", "forward", *SHORT], [], planted_goals, steps=3000,
)  # fmt: skip


def baselines(quick: bool, seed: int, tick: Tick) -> Section:
    """Bits per base of other models on the same trunk, beside the run of PROMOTERS."""
    needed(TSS)
    ending = "-quick" if quick else ""
    steps = QUICK_STEPS if quick else PROMOTERS.steps
    out, run = WORK / f"bio-baselines{ending}", WORK / f"{PROMOTERS.name}{ending}"
    if not (out / "baselines.json").exists():
        tick("masked and autoregressive")
        every = str(steps // 8)
        command([
            "baselines", *PROMOTERS.train, "--out", str(out), "--steps", str(steps),
            "--seed", str(seed), "--eval-every", every, "--save-every", every,
        ])  # fmt: skip
    found: dict[str, float] = json.loads((out / "baselines.json").read_text())
    own = bits_of(json.loads((run / "evaluation.json").read_text()))
    rows: list[list[Cell]] = [["diffusion (bound)", steps, *own]]
    for kind in BASELINES:
        last = f"{kind}, at the end"
        at = found[f"{kind}_step"]
        rows.append([kind, at, found[kind], found[f"{kind}_stderr"]])
        rows.append([last, steps, found[last], found[f"{last}_stderr"]])
    rows += [[name, None, value, None] for name, value in found.items() if "Markov" in name]
    columns = ["model", "steps", "bits per base", "±"]
    table = Table(
        f"{steps} steps",
        "Test part of the E. coli promoters. Masked diffusion: a bound; autoregressive and Markov:"
        " exact. The autoregressive network is causal, else all have the same layers, batches and"
        " learning rates. Of both baselines those weights are measured that are best on the"
        " validation part, of diffusion the last.",
        columns,
        rows,
        dict.fromkeys(columns[2:], ".4f"),
    )
    goals = [
        Goal(f"diffusion's bits per base minus the {kind} model's", own[0] - found[kind],
             "at most", 0.0, "+.4f",
             f"Of one size and on the same sequences; ± {error:.4f} at most.")
        for kind in BASELINES
        for error in [math.hypot(own[1], found[f"{kind}_stderr"])]
    ]  # fmt: skip
    return Section("Other models on the same trunk", [table], goals)


def baseline_designs(quick: bool, seed: int, tick: Tick) -> Section:
    """Designs of the baselines in the table of the run of PROMOTERS: its data, floor and chain.

    Both runs must be there: the sections "promoters" and "baselines" leave them.
    """
    needed(TSS)
    ending = "-quick" if quick else ""
    run, out = WORK / f"{PROMOTERS.name}{ending}", WORK / f"bio-baselines{ending}"
    own = json.loads(needed(run / "evaluation.json").read_text())
    needed(out / "baselines.json")
    n = number_of(own)
    found = {"diffusion": own}
    for kind in BASELINES:
        tick(f"{kind}: sample")
        designs, written = out / f"{kind}.fa", out / f"{kind}-evaluation.json"
        # A call for each base: masked diffusion without an error of its sampler.
        command([
            "sample", str(out / kind), "--out", str(designs), "--overwrite", "--samples", str(n),
            "--steps", str(LENGTH), "--seed", str(seed), *FITS,
        ])  # fmt: skip
        tick(f"{kind}: evaluate")
        command([
            "evaluate", str(run), "--designs", str(designs), "--out", str(written), "--overwrite",
            *PROMOTERS.evaluate, "--samples", str(n),
        ])  # fmt: skip
        found[kind] = json.loads(written.read_text())
    rows = {kind: rows_of(evaluation) for kind, evaluation in found.items()}
    found = {
        kind: rows[kind]["discriminator AUC, 4-mers and positions"]["generated"] for kind in found
    }
    best = min(found[kind] for kind in BASELINES)
    goal = Goal("discriminator AUC with positions: diffusion's minus the better baseline's",
                found["diffusion"] - best, "at most", 0.0, "+.3f")  # fmt: skip
    return Section("Designs of the other models", [_side_by_side(rows, n)], [goal])


def _side_by_side(rows: Mapping[str, Rows], n: int) -> Table:
    """The checks that all have in common: of designs from a file the likelihood is not known."""
    own = rows["diffusion"]
    cells: list[list[Cell]] = [
        [
            name, row["held_out"], *(rows[kind][name]["generated"] for kind in rows),
            row["markov"], row["real"],
        ]
        for name, row in own.items()
        if name in rows["masked"]
    ]  # fmt: skip
    heads = ["check", "held out", *rows, "Markov", "real to real"]
    return Table(
        f"{n} sequences of each kind",
        "Test part of the E. coli promoters. Masked diffusion: first-hitting sampler, a call for"
        " each base; so many calls takes the autoregressive model, too.",
        heads,
        cells,
        dict.fromkeys(heads[1:], ".4f"),
    )


def needed(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path}: not there; the benchmark of DNA needs it")
    return path


def command(arguments: Sequence[str]) -> None:
    """infonoise-bio in a process of its own: what it prints is not the benchmark's."""
    module = [sys.executable, "-m", "infonoise_bio.cli"]
    done = subprocess.run([*module, *arguments], capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise InputError(f"infonoise-bio {' '.join(arguments)}: {' '.join(last)}")
