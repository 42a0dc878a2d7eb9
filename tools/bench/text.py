"""Regenerate docs/benchmarks/text.md: what schedules, samplers, codes and baselines do to text.

The runs take hours on two cores; what is finished stays in the folder of `comparisons.WORK`.
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import comparisons
from comparisons import Aim, Comparison, Outcome
from infonoise_core.errors import InputError
from infonoise_core.training.record.metrics import read_lines
from report import Cell, Goal, Section, Table
from suite import WORK, Suite, Tick
from text_cost import cost

SHAKESPEARE = Path("../shared/data/text/tinyshakespeare")
# Log-normal distributions that a small search on this text left as the best: 240 steps each.
SEARCHED = ("log-normal:-0.7:0.7", "log-normal:-0.3:0.9")
ADAPTIVE = "cdcd,adaptive-loss,iid-oracle,infonoise,infonoise-sqrt"
SCHEDULES = f"edm,log-uniform,{ADAPTIVE},{','.join(SEARCHED)}"
# About a minute each on one thread of a quiet core.
COMPARED = 1000
TRAINED = ("--steps", "4000", "--batch-size", "32", "--length", "64")
QUICK = ("--steps", "60", "--batch-size", "8", "--length", "16")
STEPS = (32, 64, 128, 256)


def corpus(tick: Tick) -> Path:
    """Shakespeare as tokens, with both code books."""
    folder = WORK / "text-corpus"
    if not (folder / "corpus.json").exists():
        if not SHAKESPEARE.exists():
            raise InputError(f"{SHAKESPEARE}: not there; this benchmark needs it")
        _call(tick, ["prepare", str(SHAKESPEARE), "--out", str(folder), "--semantic"])
    return folder


def _call(tick: Tick, arguments: Sequence[str]) -> None:
    comparisons.call("infonoise-text", arguments, tick)


def trained(tick: Tick, name: str, data: str, quick: bool, *options: str) -> Path:
    """A run of that name, trained if it is not there yet."""
    out = WORK / f"text-{name}{'-quick' if quick else ''}"
    if not (out / "done.json").exists():
        few = QUICK if quick else TRAINED
        _call(tick, ["train", data, "--out", str(out), *few, *options])
    return out


def evaluated(tick: Tick, run: Path, quick: bool, *options: str) -> dict[str, Any]:
    """What `evaluate` writes, in a file named after its options."""
    marks = "".join(c if c.isalnum() else "-" for c in "".join(options)).strip("-")
    out = run.parent / f"{run.name}-{marks or 'evaluated'}.json"
    if not out.exists():
        few = ("--windows", "16") if quick else ("--windows", "256")
        _call(tick, ["evaluate", str(run), "--out", str(out), *few, *options])
    found: dict[str, Any] = json.loads(out.read_text())
    return found


# Schedules


def _worse(outcome: Outcome, name: str) -> float:
    return outcome.worse_than_best_fixed(name)


def schedules(quick: bool, seed: int, tick: Tick) -> Section:
    data = corpus(tick)
    never_worse = (
        Aim(
            f"{name}: final bits per byte over the best fixed schedule's",
            partial(_worse, name=name),
            "at most", 0.05, "+.1%",
        )
        for name in ("infonoise", "infonoise-sqrt")
    )  # fmt: skip
    comparison = Comparison(
        name="text-shakespeare",
        title="Schedules on Shakespeare",
        command="infonoise-text",
        options=[
            str(data), "--schedules", SCHEDULES, "--steps", str(COMPARED), "--seeds", "3",
        ],
        about="Windows of 32 tokens of 12 bits, the tiny network.",
        aims=[
            Aim(
                "infonoise: times fewer steps than EDM to the best fixed schedule's"
                " final bits per byte",
                lambda outcome: outcome.fewer_than("infonoise", "edm"), "at least", 3,
                note="0 if a seed ends above the best fixed schedule, which was searched for.",
            ),
            Aim(
                "infonoise: times fewer steps than EDM to where EDM ends",
                lambda outcome: outcome.fewer_to_where_it_ends("infonoise", "edm"), "at least", 3,
            ),
            *never_worse,
        ],
        needs=data,
    )  # fmt: skip
    return comparisons.bench(comparison, quick, seed, tick)


# Baselines


def baselines(quick: bool, seed: int, tick: Tick) -> Section:
    """Bits per byte beside n-grams and other models, on both corpora."""
    tables, goals = [], []
    stopped: list[list[Cell]] = []
    for name, data, others in (
        ("pydoc", "pydoc", ("autoregressive", "masked")),
        ("shakespeare", str(corpus(tick)), ("autoregressive",)),
    ):
        runs = []
        for method in ("bits", *others):
            tick(f"{name}, {method}")
            options = ("--method", method, "--seed", str(seed))
            runs.append(trained(tick, f"{name}-{method}", data, quick, *options))
            stopped.append([name, method, *_stopped(runs[-1])])
        beside = [str(run) for run in runs[1:]]
        found = evaluated(tick, runs[0], quick, "--n", "0", "--beside", *beside)
        lines = {key: row["bits_per_byte"] for key, row in found["bits_per_byte"].items()}
        rows: list[Sequence[Cell]] = [
            # Without the run's name.
            [
                key.partition("(")[2].rstrip(")") or key,
                bits,
                found["bits_per_byte"][key].get("bits_per_byte_stderr"),
            ]
            for key, bits in lines.items()
        ]
        tables.append(
            Table(
                name,
                "Held-out bits per byte of equal steps on the same trunk; of bits and masked"
                " tokens an upper bound, on windows that see nothing of what stands"
                " before them."
                " n-gram models see all that stands before.",
                ["model", "bits per byte", "standard error"],
                rows,
                {"bits per byte": ".3f", "standard error": ".3f"},
            )
        )
        two = next(bits for key, bits in lines.items() if "two passes" in key)
        what = f"Bits per byte of bits over those of bytes of order 2, {name}"
        goals.append(Goal(what, two / lines["byte 2-gram"], "at most", 1, ".2f"))
    columns = ["corpus", "model", "last", "best", "steps to the best"]
    about = (
        "Bits per byte of the validation split along the same runs: what a model that learns the"
        " training split by heart was worth before."
    )
    tables.append(Table("Stopped in time", about, columns, stopped, {"last": ".3f", "best": ".3f"}))
    return Section("Beside n-grams and other models", tables, goals)


def _stopped(run: Path) -> list[Cell]:
    """Bits per byte after the last update, the least before, and after how many steps."""
    lines = [line for line in read_lines(run / "metrics.jsonl") if "evaluate" in line]
    along = [(float(line["evaluate"]["bits_per_byte"]), int(line["step"])) for line in lines]
    return [along[-1][0], *min(along)]


# Sampling


def sampling(quick: bool, seed: int, tick: Tick) -> Section:
    """The frontier of perplexity and entropy: grids and churn at equal calls, from one run."""
    run = trained(
        tick, "shakespeare-bits", str(corpus(tick)), quick, "--method", "bits", "--seed", str(seed)
    )
    rows: list[Sequence[Cell]] = []
    perplexity: dict[tuple[str, int], float] = {}
    for steps in STEPS[:1] if quick else STEPS:
        for kind, options in (
            ("entropic, gated churn", ("--churns", "0.3", "--churn-gate", "band")),
            ("entropic, deterministic", ("--churns", "0.0")),
            ("karras, deterministic", ("--churns", "0.0", "--grid", "karras")),
        ):
            tick(f"{steps} calls, {kind}")
            few = ("--n", "8" if quick else "128", "--steps", str(steps))
            found = evaluated(tick, run, quick, *few, *options)["generated"]
            data, made = found.values()
            if not rows:
                rows.append(["held-out text", None, *_qualities(data)])
            rows.append([kind, made["nfe"], *_qualities(made)])
            perplexity[kind, steps] = made["perplexity"]
    at = STEPS[0] if quick else 64
    ratio = perplexity["karras, deterministic", at] / perplexity["entropic, deterministic", at]
    what = f"Perplexity of Karras' grid over the entropic one's, {at} calls"
    note = "Below 1.1 the grids do the same for this text."
    goal = Goal(what, ratio, "at least", 1.1, ".2f", note)
    about = (
        "Perplexity by a trigram model of the training tokens, entropy of the tokens of one window"
        " in nats: text that repeats itself has a low perplexity and a low entropy. Euler, levels"
        " from 80 to 0.08."
    )
    columns = ["sampler", "calls", "perplexity", "entropy", "distinct-2", "no token"]
    formats = {"perplexity": ".1f", "entropy": ".3f", "distinct-2": ".3f", "no token": ".2%"}
    return Section("Sampling", [Table("Frontier", about, columns, rows, formats)], [goal])


def _qualities(row: dict[str, Any]) -> list[Cell]:
    return [row["perplexity"], row["entropy"], row["distinct"][1], row["invalid"]]


# Codes


def codes(quick: bool, seed: int, tick: Tick) -> Section:
    """Binary codes, semantic ones, and clusters beside tokens, at equal budget."""
    data, rows = str(corpus(tick)), []
    few = ("--n", "8" if quick else "128", "--steps", "16" if quick else "128")
    churns = ("--churns", "0.0", "0.1", "0.2", "0.3")
    bounds: dict[str, dict[str, float]] = {}
    for book in ("binary", "semantic"):
        name = "bits" if book == "binary" else "semantic"
        options = ("--method", "bits", "--codes", book, "--seed", str(seed))
        tick(book)
        run = trained(tick, f"shakespeare-{name}", data, quick, *options)
        found = evaluated(tick, run, quick, *few, *churns)
        bounds[book] = _bounds(found)
        rows += [[book, None, key, *_qualities(made)] for key, made in found["generated"].items()]
    for count in (16,):
        name = f"binary, {count} clusters"
        options = ("--method", "bits", "--clusters", str(count), "--seed", str(seed))
        tick(name)
        run = trained(tick, f"shakespeare-clusters-{count}", data, quick, *options)
        for lead in (0.0, 0.5):
            found = evaluated(tick, run, quick, *few, *churns, "--lead", str(lead))
            bounds[f"{name}, lead {lead:g}"] = _bounds(found)
            made = [*found["generated"].items()][1:]
            rows += [[name, lead, key, *_qualities(quality)] for key, quality in made]
    names = ["one pass", "two passes", "two passes, as sampled", "two passes, clusters not given"]
    bits = Table(
        "Bits per byte",
        "Of held-out windows, by the path of the two levels: the same for both, that of sampling,"
        " or clusters never given. Each is a bound on the tokens alone.",
        ["codes", *names],
        [[key, *(found.get(name) for name in names)] for key, found in bounds.items()],
        dict.fromkeys(names, ".3f"),
    )
    frontier = Table(
        "Frontier",
        "The same network, budget, seed and text; 128 calls for each generated window. lead: how"
        " far clusters have come when tokens begin.",
        ["codes", "lead", "text", "perplexity", "entropy", "distinct-2", "no token"],
        rows,
        {
            "lead": ".1f", "perplexity": ".1f", "entropy": ".3f", "distinct-2": ".3f",
            "no token": ".2%",
        },
    )  # fmt: skip
    goal = Goal(
        "Bits per byte of semantic codes over binary ones, two passes",
        bounds["semantic"]["two passes"] / bounds["binary"]["two passes"], "at most", 1, ".3f",
    )  # fmt: skip
    return Section("Codes and clusters", [bits, frontier], [goal])


def _bounds(found: dict[str, Any]) -> dict[str, float]:
    """How it was measured -> bits per byte."""
    rows = found["bits_per_byte"].items()
    marked = {key.partition("(bits, ")[2].rstrip(")"): row["bits_per_byte"] for key, row in rows}
    return {key: value for key, value in marked.items() if key}


SUITE = Suite(
    "text",
    "What schedules, samplers, codes and heads do to text",
    {
        "schedules": schedules,
        "baselines": baselines,
        "sampling": sampling,
        "codes": codes,
        "cost": cost,
    },
)

if __name__ == "__main__":
    SUITE.main()
