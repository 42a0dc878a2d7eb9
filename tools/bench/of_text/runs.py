"""Corpora, trained models and evaluations of text, each made once and kept beside."""

import json
import resource
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import comparisons
from infonoise_core.errors import InputError
from infonoise_core.files import write_json
from infonoise_core.training.record.metrics import read_lines
from suite import WORK, Tick

BOOKS = Path("../shared/data/text/gutenberg-books/gutenberg-books.tar.xz")
SHAKESPEARE = Path("../shared/data/text/tinyshakespeare")
# The books that their README suggests to hold out.
VALID, TEST = "nltk-chesterton-thursday", "nltk-carroll-alice"
# Every model's: windows, batch, a rate that falls to 0, and validation 10 times along the way.
SETTINGS = (
    "--batch-size", "32", "--length", "64", "--lr-schedule", "cosine", "--keep", "10",
    "--save-every",
)  # fmt: skip
SETTINGS_QUICK = ("--batch-size", "4", "--length", "16", "--keep", "10", "--save-every")
UPDATES, UPDATES_QUICK = 1000, 20
PARTS = 10
# Updates of two short runs, the difference of which is timed.
_TIMED, _TIMED_QUICK = (20, 80), (2, 6)


def corpus(name: str, tick: Tick) -> Path:
    """Prepared text of pydoc, shakespeare or books, V = 4096."""
    folder = WORK / f"text-corpus-{name}"
    if not (folder / "corpus.json").exists():
        words = [str(SHAKESPEARE)] if name == "shakespeare" else [name]
        if name == "books":
            source = _unpacked()
            training = [p for p in sorted(source.glob("*.txt")) if p.stem not in (VALID, TEST)]
            given = ["--val", str(source / f"{VALID}.txt"), "--test", str(source / f"{TEST}.txt")]
            words = [*map(str, training), *given]
        comparisons.call("infonoise-text", ["prepare", *words, "--out", str(folder)], tick)
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


def trained(
    name: str, data: Path, options: Sequence[str], steps: int, seed: int, quick: bool, tick: Tick
) -> Path:
    """A finished run, with a checkpoint wherever it was validated."""
    out = WORK / f"text-{name}{'-quick' if quick else ''}"
    if not (out / "done.json").exists():
        tick(name)
        every = str(max(1, steps // PARTS))
        few = SETTINGS_QUICK if quick else SETTINGS
        words = ["train", str(data), "--out", str(out), "--steps", str(steps), *few, every]
        words += ["--eval-every", every, *options, "--seed", str(seed)]
        comparisons.call("infonoise-text", words, tick)
    return out


def processor_seconds(
    name: str,
    data: Path,
    options: Sequence[str],
    quick: bool,
    tick: Tick,
    settings: Sequence[str] | None = None,
) -> float:
    """Of one update on one core: the difference of a short and a longer run.

    Args:
        settings: In place of those that all models have here, the last naming a number of updates.
    """
    few_words = settings or (SETTINGS_QUICK if quick else SETTINGS)
    kept = WORK / f"text-{name}-seconds{'-quick' if quick else ''}.json"
    if not kept.exists():
        tick(f"{name}, time of an update")
        few, more = _TIMED_QUICK if quick else _TIMED
        spent = [_spent(data, options, steps, few_words, tick) for steps in (few, more)]
        write_json(kept, (spent[1] - spent[0]) / (more - few))
    return float(json.loads(kept.read_text()))


def _spent(
    data: Path, options: Sequence[str], steps: int, settings: Sequence[str], tick: Tick
) -> float:
    """Processor seconds of a whole run that is validated once, at its end."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["train", str(data), "--out", f"{folder}/run", "--steps", str(steps), *settings]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        comparisons.call(
            "infonoise-text", [*words, str(steps), "--eval-every", "0", *options], tick
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# What a run's validation measures, of whole windows or of whatever it has, and of text in order.
WHOLE, ORDERED = "bits_per_byte", "in_order_bits_per_byte"


def validated(run: Path, measure: str = WHOLE) -> tuple[int, float]:
    """Updates and bits per byte where a run's validation was best.

    Args:
        measure: That it is told by, where the run has it.
    """
    lines = [line for line in read_lines(run / "metrics.jsonl") if "evaluate" in line]
    told = measure if measure in lines[0]["evaluate"] else WHOLE
    best = min(lines, key=lambda line: float(line["evaluate"][told]))
    return int(best["step"]), float(best["evaluate"][told])


def evaluated(run: Path, mark: str, tick: Tick, *options: str) -> dict[str, Any]:
    """An evaluation.json of that mark."""
    out = run.parent / f"{run.name}-{mark}.json"
    if not out.exists():
        tick(f"evaluate {run.name}, {mark}")
        words = ["evaluate", str(run), "--out", str(out), *options]
        comparisons.call("infonoise-text", words, tick)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def texts(run: Path, how: str, tick: Tick, *options: str) -> list[str]:
    """The first texts that a run writes in one way, as they come."""
    out = run.parent / f"{run.name}-{how.replace(', ', '-').replace(' ', '-')}.jsonl"
    if not out.exists():
        tick(f"{run.name}: texts {how}")
        words = ["sample", str(run), "--out", str(out), "--churn", "0.3", *options]
        comparisons.call("infonoise-text", words, tick)
    return [str(json.loads(line)["text"]) for line in out.read_text().splitlines()]
