"""The character-level model that many people train first, and bits of characters beside it.

python tools/bench/text_characters.py --quick --only shakespeare

Shakespeare, 4 layers of width 128, windows of 64 characters, 2,000 updates of 12 windows: about
half an hour on a quiet core; runs that are finished stay in the folder of `suite.WORK`.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import comparisons
from infonoise_core.errors import InputError
from infonoise_core.training.record.metrics import read_lines
from infonoise_text.runs import open_run
from of_text.runs import processor_seconds
from report import Cell, Goal, Section, Table
from suite import WORK, Suite, Tick

SHAKESPEARE = Path("../shared/data/text/tinyshakespeare")
# What the recipe is known to end at, in nats per character of held-out windows.
KNOWN = 1.88
# Model -> options of `train`, which has the recipe as a preset.
MODELS = {
    "autoregressive": ("--method", "autoregressive"),
    "bits": (),
    "bits in order alone": ("--ordered", "1"),
    "bits of windows alone": ("--block", "0"),
}
UPDATES, EVERY = 2000, 250


class Trained(NamedTuple):
    """A run, and what it took."""

    path: Path
    steps: int
    parameters: int
    seconds: float  # of an update on one core


def shakespeare(quick: bool, seed: int, tick: Tick) -> Section:
    """Bits per character at equal updates and at equal time, on equal trunks."""
    data = _corpus(tick)
    steps = 20 if quick else UPDATES
    runs = {name: _trained(name, data, steps, quick, seed, tick) for name in MODELS}
    baseline = runs["autoregressive"]
    for name in list(MODELS)[1:]:
        # As long as the baseline's updates took altogether, on the same machine.
        there = max(2, round(steps * baseline.seconds / runs[name].seconds))
        if there < steps:
            runs[f"{name}, equal time"] = _trained(name, data, there, quick, seed, tick)
    tick("evaluate")
    costs = _costs(list(runs.values()), quick, tick)
    rows = [_row(name, run, costs) for name, run in runs.items()]
    rows += [[name, None, None, None, *costs[name], None, None] for name in _REFERENCES]
    about = (
        "Held-out characters of Shakespeare in windows of 64 that see nothing of what stands"
        f" before, after {steps:,} updates of 12 windows, or as many as take as long on one core;"
        " best: of 64 windows, the least along the way. Those of bits of windows alone are upper"
        " bounds, of bits in order they are exact as the autoregressive model's are, and the"
        " n-grams' are of the same windows."
    )
    columns = [
        "model", "updates", "parameters", "seconds of an update", "bits per character",
        "standard error", "best", "updates to the best",
    ]  # fmt: skip
    formats = {
        "parameters": ",", "seconds of an update": ".3f", "bits per character": ".3f",
        "standard error": ".3f", "best": ".3f",
    }  # fmt: skip
    goals = _goals(runs, costs)
    return Section("Characters on a laptop", [Table("Cost", about, columns, rows, formats)], goals)


_REFERENCES = ("token unigram", "token bigram")
# Of whole windows or of whatever a model has, and of text in order.
_MEASURES = ("nats_per_token", "in_order_nats_per_token")


def _corpus(tick: Tick) -> Path:
    folder = WORK / "text-characters"
    if not (folder / "corpus.json").exists():
        if not SHAKESPEARE.exists():
            raise InputError(f"{SHAKESPEARE}: not there; this benchmark needs it")
        words = ["prepare", str(SHAKESPEARE), "--out", str(folder), "--tokenizer", "characters"]
        comparisons.call("infonoise-text", words, tick)
    return folder


def _trained(name: str, data: Path, steps: int, quick: bool, seed: int, tick: Tick) -> Trained:
    mark = name.replace(", ", "-").replace(" ", "-")
    out = WORK / f"text-characters-{mark}-{steps}{'-quick' if quick else ''}"
    if not (out / "done.json").exists():
        tick(f"{name}, {steps} updates")
        every = ("--eval-every", str(max(1, steps // 2) if quick else EVERY))
        words = ["train", str(data), "--out", str(out), "--preset", "characters"]
        words += [
            "--steps",
            str(steps),
            *every,
            *MODELS[name.partition(",")[0]],
            "--seed",
            str(seed),
        ]
        comparisons.call("infonoise-text", words, tick)
    base = name.partition(",")[0]
    settings = ("--preset", "characters", "--save-every")
    seconds = processor_seconds(f"characters-{base}", data, MODELS[base], quick, tick, settings)
    size = sum(p.numel() for p in open_run(out, "cpu").denoiser.parameters())
    return Trained(out, steps, size, seconds)


def _costs(runs: Sequence[Trained], quick: bool, tick: Tick) -> dict[str, tuple[float, float]]:
    """Run's folder or name of a model of tokens -> bits per character and their standard error.

    Of bits the lowest of those ways in which they were learned.
    """
    first, *others = runs
    out = first.path.parent / f"{first.path.name}-beside.json"
    words = ["evaluate", str(first.path), "--out", str(out), "--overwrite", "--split", "val"]
    words += ["--samples", "0", "--windows", "8" if quick else "512"]
    words += ["--beside", *(str(run.path) for run in others)]
    comparisons.call("infonoise-text", words, tick)
    found: dict[str, Any] = json.loads(out.read_text())
    costs: dict[str, tuple[float, float]] = {}
    for row in found["tables"][0]["rows"]:
        if "nats per token" not in row["values"]:
            continue
        # A token is a character here.
        nats, error = (row[part]["nats per token"] for part in ("values", "stderr"))
        name, found_here = row["name"].partition(" (")[0], (nats / math.log(2), error / math.log(2))
        costs[name] = min(costs.get(name, found_here), found_here)
    return costs


def _row(name: str, run: Trained, costs: dict[str, tuple[float, float]]) -> list[Cell]:
    lines = [line for line in read_lines(run.path / "metrics.jsonl") if "evaluate" in line]
    nats, at = min(
        (float(line["evaluate"][measure]), int(line["step"]))
        for line in lines for measure in _MEASURES if measure in line["evaluate"]
    )  # fmt: skip
    cost = costs[run.path.name]
    return [name, run.steps, run.parameters, run.seconds, *cost, nats / math.log(2), at]


def _goals(runs: dict[str, Trained], costs: dict[str, tuple[float, float]]) -> list[Goal]:
    bits = {name: costs[run.path.name][0] for name, run in runs.items()}
    baseline = runs["autoregressive"]
    goals = [
        Goal(
            "Nats per character of the autoregressive baseline",
            bits["autoregressive"] * math.log(2), "at most", KNOWN, ".3f",
            "What this recipe is known to end at, on a split of its own.",
        )
    ]  # fmt: skip
    for name in runs:
        if name == "autoregressive":
            continue
        ratio = bits[name] / bits["autoregressive"]
        what = f"Bits per character over the baseline's: {name}"
        goals.append(Goal(what, ratio, "at most", 1, ".3f", "Of windows alone, an upper bound."))
    most = max(run.parameters / baseline.parameters for run in runs.values())
    goals.append(Goal("Parameters over the baseline's, at most", most, "at most", 1.2, ".2f"))
    return goals


SUITE = Suite(
    "text-characters",
    "Bits of characters beside the character-level model of many tutorials",
    {"shakespeare": shakespeare},
)

if __name__ == "__main__":
    SUITE.main()
