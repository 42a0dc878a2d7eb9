"""Regenerate docs/benchmarks/text.md: what schedules, samplers and codes do to text.

Other models stand beside ours on a page of their own (text_networks.py), with which this one shares
its run of Shakespeare. About an hour of one core; what is finished stays in the folder of
`suite.WORK`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import comparisons
from comparisons import Aim, Comparison
from infonoise_text.evaluation.frontier import PERPLEXITY
from of_text.runs import UPDATES, UPDATES_QUICK, corpus, evaluated, trained
from report import Cell, Goal, Section, Table
from suite import Suite, Tick
from text_cost import cost

# The log-normal distribution that short runs of this network left as the best.
SEARCHED = ("log-normal:-0.5:0.8",)
SCHEDULES = ("edm", "cdcd", "adaptive-loss", "iid-oracle", "infonoise", *SEARCHED)
COMPARED = ("--steps", "500", "--length", "32", "--seeds", "3")
# Calls for a whole window, and for each token in order: of two, every grid is its ends alone.
WHOLE, ORDERED = (32, 64, 128, 256), (4, 8, 16)
DRAWN = "drawn from what the network says"


# Schedules


def schedules(quick: bool, seed: int, tick: Tick) -> Section:
    data = corpus("shakespeare", tick)
    comparison = Comparison(
        name="text-shakespeare",
        title="Schedules on Shakespeare",
        command="infonoise-text",
        options=[str(data), "--schedules", ",".join(SCHEDULES), *COMPARED],
        about="Windows of 32 tokens of 12 bits, the tiny network, half of the examples in order,"
        " which have no noise levels; measured on whole windows, which have.",
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
            Aim(
                "infonoise: final bits per byte over the best fixed schedule's",
                lambda outcome: outcome.worse_than_best_fixed("infonoise"),
                "at most", 0.05, "+.1%",
            ),
        ],
        needs=data,
    )  # fmt: skip
    return comparisons.bench(comparison, quick, seed, tick)


# Sampling


def sampling(quick: bool, seed: int, tick: Tick) -> Section:
    """The frontier of perplexity and entropy: grids and churn at equal calls, from one run."""
    run = _bits((), quick, seed, tick)
    found: dict[tuple[str, str, int], Mapping[str, float]] = {}
    for way, options, calls in (("whole", ("--whole",), WHOLE), ("in order", (), ORDERED)):
        for steps in calls[:1] if quick else calls:
            for sampler, words in SAMPLERS.items():
                mark = f"{way}-{steps}-{sampler}".replace(", ", "-").replace(" ", "-")
                few = ("--samples", "8" if quick else "64", "--windows", "4")
                few += ("--steps", str(steps), *options, *words)
                data, made = evaluated(run, mark, tick, *few)["tables"][1]["rows"]
                found[way, sampler, steps] = made["values"]
    one = ("--samples", "8" if quick else "64", "--windows", "4", "--steps", "1")
    _, made = evaluated(run, "drawn", tick, *one)["tables"][1]["rows"]
    found["in order", DRAWN, 1] = made["values"]
    rows: list[Sequence[Cell]] = [["held-out text", None, None, *_qualities(data["values"])]]
    rows += [[*where, *_qualities(values)] for where, values in found.items()]
    about = (
        "64 windows of 64 tokens. Calls are those for a whole window, or for each of its tokens in"
        " order. Perplexity by a trigram model of the training tokens, entropy of the tokens of one"
        " window in nats: text that repeats itself has a low perplexity and a low entropy. Euler,"
        " levels from 80 to 0.08."
    )
    columns = ["written", "sampler", "calls", *_QUALITIES]
    goals = [_grids(found, "whole", 32 if quick else 64), _grids(found, "in order", 4)]
    return Section("Sampling", [Table("Frontier", about, columns, rows, _FORMATS)], goals)


SAMPLERS = {
    "entropic, gated churn": ("--churns", "0.3", "--churn-gate", "band"),
    "entropic, deterministic": ("--churns", "0.0"),
    "karras, deterministic": ("--churns", "0.0", "--grid", "karras"),
}


def _grids(found: Mapping[tuple[str, str, int], Mapping[str, float]], way: str, calls: int) -> Goal:
    karras, entropic = (
        found[way, f"{grid}, deterministic", calls][PERPLEXITY] for grid in ("karras", "entropic")
    )
    what = f"Perplexity of Karras' grid over the entropic one's, {way}, {calls} calls"
    note = "Below 1.1 the grids do the same for this text."
    return Goal(what, karras / entropic, "at least", 1.1, ".2f", note)


def _bits(options: Sequence[str], quick: bool, seed: int, tick: Tick) -> Path:
    """The run of bits on Shakespeare that the page of networks has too, with other options."""
    name = "-".join(("shakespeare-bits", *(o.lstrip("-") for o in options)))
    return trained(name, corpus("shakespeare", tick), options, *_updates(quick), seed, quick, tick)


def _updates(quick: bool) -> tuple[int]:
    return (UPDATES_QUICK if quick else UPDATES,)


_QUALITIES = ("perplexity", "entropy", "distinct-2", "no token")
_FOUND = (PERPLEXITY, "entropy", "distinct-2", "share without a token")
_FORMATS = {"perplexity": ".1f", "entropy": ".3f", "distinct-2": ".3f", "no token": ".2%"}


def _qualities(values: Mapping[str, float]) -> list[Cell]:
    return [values.get(key) for key in _FOUND]


# Codes


def codes(quick: bool, seed: int, tick: Tick) -> Section:
    """Binary codes, semantic ones, and clusters beside tokens, after equal updates."""
    few = ["--samples", "8" if quick else "64", "--windows", "8" if quick else "256"]
    few += ["--steps", "16" if quick else "64", "--whole", "--churns", "0.0", "0.3"]
    clusters = ("--codes", "binary", "--clusters", "16")
    bounds: dict[str, dict[str, float]] = {}
    rows: list[Sequence[Cell]] = []
    for name, options, lead in (
        ("binary", ("--codes", "binary"), None),
        ("semantic", (), None),
        ("binary, 16 clusters, lead 0", clusters, 0.0),
        ("binary, 16 clusters, lead 0.5", clusters, 0.5),
    ):
        run = _bits(options, quick, seed, tick)
        at = () if lead is None else ("--lead", str(lead))
        costs, made = evaluated(run, f"codes-{lead}", tick, *few, *at)["tables"]
        bounds[name] = _bounds(costs["rows"])
        rows += [[name, row["name"], *_qualities(row["values"])] for row in made["rows"][1:]]
    names = list(dict.fromkeys(how for found in bounds.values() for how in found))
    bits = Table(
        "Bits per byte",
        "Of held-out windows, whole or in blocks; of clusters by the path of the two levels: the"
        " same for both, that of sampling, or clusters never given. Each is a bound on the tokens"
        " alone. With clusters all windows are learned whole.",
        ["codes", *names],
        [[key, *(found.get(name) for name in names)] for key, found in bounds.items()],
        dict.fromkeys(names, ".3f"),
    )
    frontier = Table(
        "Frontier",
        "The same network, updates, seed and text; 64 calls for each generated window, written"
        " whole. lead: how far clusters have come when tokens begin.",
        ["codes", "text", *_QUALITIES], rows, _FORMATS,
    )  # fmt: skip
    goals = [
        Goal(
            f"Bits per byte of semantic codes over binary ones, {how}",
            bounds["semantic"][how] / bounds["binary"][how], "at most", 1, ".3f",
        ) for how in ("two passes", "blocks of 1")
    ]  # fmt: skip
    return Section("Codes and clusters", [bits, frontier], goals)


def _bounds(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How it was measured -> bits per byte."""
    marked = {row["name"].partition("(bits, ")[2].rstrip(")"): row["values"] for row in rows}
    return {how: values["bits per byte"] for how, values in marked.items() if how}


SUITE = Suite(
    "text",
    "What schedules, samplers and codes do to text, and what a vocabulary costs",
    {
        "schedules": schedules,
        "sampling": sampling,
        "codes": codes,
        "cost": cost,
    },
)

if __name__ == "__main__":
    SUITE.main()
