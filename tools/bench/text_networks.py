"""Networks of bits beside masked and autoregressive models, at equal updates on the same trunk.

python tools/bench/text_networks.py --only pydoc

About an hour a corpus on a quiet core; runs that are finished stay in the folder of `suite.WORK`.
"""

import json
import tarfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import comparisons
from infonoise_core.errors import InputError
from infonoise_core.training.record.metrics import read_lines
from report import Cell, Goal, Section, Table
from suite import WORK, Suite, Tick

BOOKS = Path("../shared/data/text/gutenberg-books/gutenberg-books.tar.xz")
SHAKESPEARE = Path("../shared/data/text/tinyshakespeare")
# The books that their README suggests to hold out.
VALID, TEST = "nltk-chesterton-thursday", "nltk-carroll-alice"
CORPORA = ("pydoc", "shakespeare", "books")
# Model -> options of `train`.  All have the same trunk, windows and updates.
MODELS = {
    "bits": (),
    "linear-patch": ("--network", "linear-patch"),
    "masked": ("--method", "masked"),
    "autoregressive": ("--method", "autoregressive"),
    "embedding": ("--method", "embedding"),
}
UPDATES = ("--steps", "400", "--batch-size", "32", "--length", "64", "--eval-every", "100")
QUICK = ("--steps", "20", "--batch-size", "4", "--length", "16")


def networks(name: str, quick: bool, seed: int, tick: Tick) -> Section:
    """Bits per byte and generated text of equal updates on the same trunk, for one corpus."""
    data = str(_corpus(name, tick))
    runs = {
        model: _trained(f"{name}-{model}", data, options, quick, seed, tick)
        for model, options in MODELS.items()
    }
    first, *others = runs.values()
    tick(f"{name}, evaluate")
    few = ("--windows", "8") if quick else ("--windows", "128")
    beside = ("--split", "val", "--samples", "0", "--beside", *map(str, others))
    found = _evaluated(first, "beside", tick, *few, *beside)
    rows = found["tables"][0]["rows"]
    costs = {row["name"]: row["values"]["bits per byte"] for row in rows}
    made = {model: _generated(runs[model], quick, tick) for model in ("bits", "linear-patch")}
    tables = [_costs(name, rows, runs), _samples(name, made)]
    title = f"Networks of bits beside others, {name}"
    return Section(title, tables, _goals(name, costs, made))


def _corpus(name: str, tick: Tick) -> Path:
    folder = WORK / f"text-corpus-{name}"
    if (folder / "corpus.json").exists():
        return folder
    options: list[str] = []
    if name == "books":
        source = _unpacked()
        options = [
            *(str(p) for p in sorted(source.glob("*.txt")) if p.stem not in (VALID, TEST)),
            "--val", str(source / f"{VALID}.txt"), "--test", str(source / f"{TEST}.txt"),
        ]  # fmt: skip
    else:
        options = [str(SHAKESPEARE) if name == "shakespeare" else name]
    comparisons.call("infonoise-text", ["prepare", *options, "--out", str(folder)], tick)
    return folder


def _unpacked() -> Path:
    """The books as files, in a folder of this benchmark's own."""
    if not BOOKS.exists():
        raise InputError(f"{BOOKS}: not there; this benchmark needs it")
    out = WORK / "text-books"
    if not out.exists():
        out.mkdir(parents=True)
        with tarfile.open(BOOKS) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None and member.name.endswith(".txt"):
                    (out / Path(member.name).name).write_bytes(content.read())
    return out


def _trained(
    name: str, data: str, options: Sequence[str], quick: bool, seed: int, tick: Tick
) -> Path:
    out = WORK / f"text-{name}{'-quick' if quick else ''}"
    if not (out / "done.json").exists():
        tick(name)
        few = QUICK if quick else UPDATES
        words = ["train", data, "--out", str(out), *few, *options, "--seed", str(seed)]
        comparisons.call("infonoise-text", words, tick)
    return out


def _evaluated(run: Path, mark: str, tick: Tick, *options: str) -> dict[str, Any]:
    out = run.parent / f"{run.name}-{mark}.json"
    if not out.exists():
        comparisons.call(
            "infonoise-text", ["evaluate", str(run), "--out", str(out), *options], tick
        )
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def _generated(run: Path, quick: bool, tick: Tick) -> dict[str, dict[str, float]]:
    """How text was made -> its measures; held-out text among them."""
    few = ("8", "16") if quick else ("64", "64")
    options = ("--split", "val", "--windows", "4", "--samples", few[0], "--steps", few[1])
    found = _evaluated(run, "made", tick, *options, "--churns", "0.0", "0.3")
    return {row["name"]: row["values"] for row in found["tables"][1]["rows"]}


def _costs(name: str, rows: Sequence[dict[str, Any]], runs: dict[str, Path]) -> Table:
    along = {model: _along(run) for model, run in runs.items()}
    cells: list[list[Cell]] = []
    for row in rows:
        model = next((m for m, run in runs.items() if row["name"].startswith(f"{run.name} (")), "")
        how = row["name"].partition("(")[2].rstrip(")")
        best = along[model] if model else None
        cells.append(
            [
                f"{model}, {how}" if model and how != model else model or row["name"],
                row["values"]["bits per byte"],
                row["stderr"].get("bits per byte"),
                best[0] if best else None,
                best[1] if best else None,
            ]
        )
    about = (
        "Bits per byte of windows of the validation split after 400 updates of 32 windows of 64"
        " tokens of 4,096, one seed; and of 64 of them the best along the way. Bits, masked and"
        " embedding are upper bounds. Token unigram and bigram are exact, on the same windows."
    )
    columns = ["model", "bits per byte", "standard error", "best", "updates to the best"]
    formats = {"bits per byte": ".3f", "standard error": ".3f", "best": ".3f"}
    return Table(f"{name}: cost", about, columns, cells, formats)


def _along(run: Path) -> tuple[float, int]:
    lines = [line for line in read_lines(run / "metrics.jsonl") if "evaluate" in line]
    return min((float(at["evaluate"]["bits_per_byte"]), int(at["step"])) for at in lines)


def _samples(name: str, made: dict[str, dict[str, dict[str, float]]]) -> Table:
    rows: list[list[Cell]] = []
    for model, texts in made.items():
        for how, values in texts.items():
            if how == "held-out text" and rows:
                continue
            shown = how if how == "held-out text" else f"{model}, {how}"
            rows.append([shown, values["perplexity by n-grams"], values["entropy"]])
    about = "64 windows of 64 tokens, 64 calls each: perplexity by trigrams, entropy in nats."
    columns = ["text", "perplexity", "entropy"]
    return Table(f"{name}: text", about, columns, rows, {"perplexity": ".1f", "entropy": ".3f"})


def _goals(
    name: str, costs: dict[str, float], made: dict[str, dict[str, dict[str, float]]]
) -> list[Goal]:
    def cost(model: str) -> float:
        return min(v for row, v in costs.items() if f"{name}-{model}" in row.partition(" ")[0])

    goals = [
        Goal(
            f"Bits per byte of bits over those of masked, {name}",
            cost("bits") / cost("masked"), "at most", 1, ".3f",
        )
    ]  # fmt: skip
    if name == "books":
        ratio = cost("bits") / costs["token bigram"]
        goals.append(
            Goal("Bits per byte of bits over those of the token bigram, books", ratio,
                 "at most", 1, ".3f")
        )  # fmt: skip
    new, old = (made[model]["churn 0.3"] for model in ("bits", "linear-patch"))
    goals.append(
        Goal(
            f"Perplexity of generated text over that of linear-patch, {name}",
            new["perplexity by n-grams"] / old["perplexity by n-grams"], "at most", 0.5, ".2f",
            f"Entropies {new['entropy']:.2f} and {old['entropy']:.2f} nats.",
        )
    )  # fmt: skip
    return goals


SUITE = Suite(
    "text-networks",
    "Networks of bits beside masked and autoregressive models",
    {name: partial(networks, name) for name in CORPORA},
)

if __name__ == "__main__":
    SUITE.main()
