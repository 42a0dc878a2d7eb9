"""Networks of bits beside masked and autoregressive models, at equal updates and at equal time.

python tools/bench/text_networks.py --only pydoc

About fifty minutes a corpus on a quiet core; finished runs stay in the folder of `suite.WORK`.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from infonoise_text.data.corpus import Corpus
from of_text.costs import (
    IN_ORDER,
    Cost,
    best_of,
    by_way,
    costs_at_best,
    over_seeds,
    own_costs,
    whole_of,
)
from of_text.runs import (
    ORDERED,
    UPDATES,
    UPDATES_QUICK,
    WHOLE,
    corpus,
    evaluated,
    processor_seconds,
    texts,
    trained,
    validated,
)
from report import Cell, Goal, Section, Table
from suite import Suite, Tick

CORPORA = ("pydoc", "shakespeare", "books")
# Model -> options of `train`.  All have the same trunk, windows and updates.
MODELS = {
    "bits": (),
    "bits in order alone": ("--ordered", "1"),
    "linear-patch": ("--network", "linear-patch"),
    "masked": ("--method", "masked"),
    "autoregressive": ("--method", "autoregressive"),
    "embedding": ("--method", "embedding"),
}
# Models that are trained on one corpus alone: one is the dearest, one a share of the default.
ALONE = {"embedding": "pydoc", "bits in order alone": "books"}
# Those whose difference is close are trained with several seeds.
SEEDS = {"bits": 3, "masked": 3}
# What wrote a text -> its model, and options of `sample`: in order each token takes the calls, one
# of which draws it from what the network says.
WRITERS = {
    "bits": ("bits", ("--steps", "1")),
    "bits, 16 calls for each token": ("bits", ("--steps", "16")),
    "bits, whole windows": ("bits", ("--steps", "64", "--whole")),
    "linear-patch": ("linear-patch", ("--steps", "64")),
}
# Bits with as many updates as take the time of masked's.
EQUAL_TIME = "bits, equal time"
CALLS = {
    "in order, one call for each token": ("--steps", "1"),
    "in order, 16 calls for each token": ("--steps", "16"),
    "whole windows, 64 calls": ("--steps", "64", "--whole"),
    "whole windows, 256 calls": ("--steps", "256", "--whole"),
}


class Measured(NamedTuple):
    """A run and what it costs on either split, by how it is scored."""

    run: Path
    valid: Mapping[str, Cost]
    test: Mapping[str, Cost]


class Model(NamedTuple):
    """The runs of one model, one for each seed, and what an update takes."""

    updates: int
    seconds: float
    runs: Sequence[Measured]

    @property
    def first(self) -> Measured:
        """Of the first seed, which also writes."""
        return self.runs[0]


def networks(name: str, quick: bool, seed: int, tick: Tick) -> Section:
    """Bits per byte and generated text of one corpus."""
    data = corpus(name, tick)
    updates = UPDATES_QUICK if quick else UPDATES
    models = {model: o for model, o in MODELS.items() if ALONE.get(model, name) == name}
    # Of the same tensors whichever corpus it is.
    seconds = {
        model: processor_seconds(model, corpus("pydoc", tick), options, quick, tick)
        for model, options in models.items()
    }
    plan = [(model, updates) for model in models]
    # Where bits are no dearer than masked, equal updates are within equal time.
    if (there := round(updates * seconds["masked"] / seconds["bits"])) < updates:
        plan.append((EQUAL_TIME, max(2, there)))
    found: dict[str, Model] = {}
    references: dict[str, tuple[Cost, Cost]] = {}
    for model, steps in plan:
        base = model.partition(",")[0]
        runs = []
        for offset in range(1 if quick else SEEDS.get(model, 1)):
            mark = f"{name}-{model}{f'-seed{offset}' if offset else ''}"
            mark = mark.replace(", ", "-").replace(" ", "-")
            run = trained(mark, data, MODELS[base], steps, seed + offset, quick, tick)
            valid, test = (costs_at_best(run, split, quick, tick) for split in ("valid", "test"))
            runs.append(Measured(run, own_costs(valid, run), own_costs(test, run)))
            references = {how: (cost, test[how]) for how, cost in valid.items()
                          if run.name not in how}  # fmt: skip
        found[model] = Model(steps, seconds[base], runs)
    made = {
        how: _quality(how, found[model].first.run, options, quick, tick)
        for how, (model, options) in WRITERS.items()
    }
    tables = [
        _cost_table(found, references),
        _text_table(made),
        _as_they_come(data, found, quick, tick),
    ]
    title = f"Networks of bits beside others, {name}"
    return Section(title, tables, _goals(name, found, references, made))


def _at_best(run: Path, options: Sequence[str]) -> tuple[str, str]:
    """Where its validation of how it writes was best: some learn their text by heart after that."""
    measure = WHOLE if "--whole" in options else ORDERED
    return "--checkpoint", str(validated(run, measure)[0])


def _quality(
    how: str, run: Path, options: Sequence[str], quick: bool, tick: Tick
) -> dict[str, dict[str, float]]:
    """How text was made -> its measures; held-out text among them."""
    words = ["--split", "valid", "--windows", "4", "--samples", "8" if quick else "128", *options]
    words += ["--churns", "0.0", "0.3", *_at_best(run, options)]
    mark = f"made by {how}".replace(", ", "-").replace(" ", "-")
    rows = evaluated(run, mark, tick, *words)["tables"][1]["rows"]
    return {row["name"]: row["values"] for row in rows}


def _last_row(rows: Mapping[str, dict[str, float]]) -> dict[str, float]:
    """With the most churn, where there is any."""
    return list(rows.values())[-1]


def _cost_table(found: Mapping[str, Model], references: Mapping[str, tuple[Cost, Cost]]) -> Table:
    rows: list[Sequence[Cell]] = []
    for name, model in found.items():
        runs = [(by_way(one.valid), by_way(one.test)) for one in model.runs]
        for how in runs[0][0]:
            label = f"{name}, {how}" if how else name
            valid, test = ([costs[i][how] for costs in runs] for i in (0, 1))
            costs = [*over_seeds(valid), *over_seeds(test)]
            measure = ORDERED if IN_ORDER in how else WHOLE
            best = ", ".join(str(validated(one.run, measure)[0]) for one in model.runs)
            rows.append([label, model.updates, model.seconds, len(runs), *costs, best])
    for name, (one, other) in references.items():
        rows.append([name, *[None] * 3, one.value, None, None, other.value, *[None] * 3])
    # A column's name stands once: what follows a split is told apart by spaces.
    errors = ("±", "± of seeds", "± ", "± of seeds ")
    return Table(
        "Cost",
        "Bits per byte of up to 256 windows of 64 tokens of 4,096 after equal updates of 32,"
        " or after as many as take masked's time on one core, if that is less. Whole windows of"
        " bits, masked and embedding are upper bounds; blocks of 1, which are read from left to"
        " right, and the autoregressive model are exact. All are taken where their validation was"
        " best, either way of reading for itself. Token n-grams are exact on the same windows, byte"
        " n-grams see all that stands before. Costs are means over seeds; ± is the standard error"
        " over windows of one seed, and of the mean over seeds.",
        ["model", "updates", "seconds of an update", "seeds", "valid", *errors[:2], "test",
         *errors[2:], "best validated at"],
        rows,
        {"seconds of an update": ".3f", **dict.fromkeys(("valid", "test", *errors), ".3f")},
    )  # fmt: skip


def _text_table(made: Mapping[str, dict[str, dict[str, float]]]) -> Table:
    rows: list[Sequence[Cell]] = []
    for model, ways in made.items():
        for how, values in ways.items():
            if how == "held-out text" and rows:
                continue
            shown = how if how == "held-out text" else f"{model}, {how}"
            rows.append([shown, values["perplexity by n-grams"], values["entropy"]])
    return Table(
        "Generated text",
        "128 windows of 64 tokens, in 64 calls or, of bits in order, in one or 16 for each token:"
        " perplexity by a trigram model of the training text, and entropy of a window's tokens in"
        " nats.",
        ["text", "perplexity", "entropy"], rows, {"perplexity": ".1f", "entropy": ".3f"},
    )  # fmt: skip


def _as_they_come(data: Path, found: Mapping[str, Model], quick: bool, tick: Tick) -> Table:
    """The first texts of bits, beside windows of held-out text."""
    opened = Corpus.open(data)
    split = opened.split("valid")
    length = min(64, len(split) // 2)
    rows: list[Sequence[Cell]] = [
        ["held-out text", _one_line(opened.tokenizer.decode(split.ids[at : at + length].tolist()))]
        for at in (0, len(split) // 2)
    ]
    run = found["bits"].first.run
    for how, options in CALLS.items():
        for text in texts(run, how, tick, "--samples", "3", *options, *_at_best(run, options)):
            rows.append([how, _one_line(text)])
    about = "The first texts of seed 0 with churn 0.3, not chosen; ⏎ is a new line."
    return Table("Texts as they come", about, ["made by", "text"], rows)


def _one_line(text: str) -> str:
    return " ".join(text.replace("|", "¦").replace("\n", " ⏎ ").split())


def _goals(
    name: str,
    found: Mapping[str, Model],
    references: Mapping[str, tuple[Cost, Cost]],
    made: Mapping[str, dict[str, dict[str, float]]],
) -> list[Goal]:
    masked = [best_of(one.valid).value for one in found["masked"].runs]
    bigram = next(cost.value for how, (cost, _) in references.items() if "token bigram" in how)
    goals = []
    for model, when in (("bits", "equal updates"), (EQUAL_TIME, "equal time")):
        runs = found.get(model, found["bits"]).runs
        for what, scored in (("bits", best_of), ("whole windows of bits", whole_of)):
            own = [scored(one.valid).value for one in runs]
            beside = masked[: len(own)]
            each = ", ".join(f"{a / b:.3f}" for a, b in zip(own, beside, strict=True))
            about = f"Bits per byte of {what} over masked's at {when}, {name}"
            note = f"Of the validation split; by seed {each}."
            goals.append(Goal(about, mean(own) / mean(beside), "at most", 1, ".3f", note))
    ratio = mean(best_of(one.valid).value for one in found["bits"].runs) / bigram
    about = f"Bits per byte of bits over those of the token bigram, {name}"
    goals.append(Goal(about, ratio, "at most", 1, ".3f", "Asked for on the books."))
    old = _last_row(made["linear-patch"])
    for how in ("bits", "bits, whole windows"):
        new = _last_row(made[how])
        ratio = new["perplexity by n-grams"] / old["perplexity by n-grams"]
        entropies = f"Entropies {new['entropy']:.2f} and {old['entropy']:.2f} nats."
        about = f"Perplexity of generated text of {how} over linear-patch's, {name}"
        goals.append(Goal(about, ratio, "at most", 0.5, ".2f", entropies))
    return goals


SECTIONS: dict[str, Any] = {name: partial(networks, name) for name in CORPORA}
SUITE = Suite("text-networks", "Networks of bits beside masked and autoregressive models", SECTIONS)

if __name__ == "__main__":
    SUITE.main()
