"""The command line: the whole path on real images, and mistakes that end in one line."""

import contextlib
import hashlib
import json
import math
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from infonoise_core import EntropyRateProfile
from infonoise_core.solver import SOLVERS
from infonoise_core.training.schedules import SCHEDULES
from infonoise_vision import __version__
from infonoise_vision.cli import main

QUICK = ["--batch", "8", "--save-every", "3"]
COMPARED = ["--updates", "2", "--batch", "8", "--schedules", "edm"]


def grey_levels(path: Path, n: int = 60) -> Path:
    """Pictures of 4x4 pixels in 4 grey levels, all different: a random ramp with random dents."""
    rng = np.random.default_rng(0)
    ramp = np.arange(4)[:, None] + np.arange(4)
    pixels = (ramp + rng.integers(0, 3, (n, 1, 1)) + rng.integers(0, 2, (n, 4, 4))) // 3
    np.savez(path, images=pixels.clip(0, 3).astype(np.uint8), levels=4)
    return path


def real_numbers(path: Path, n: int = 40) -> Path:
    images = np.random.default_rng(0).standard_normal((n, 4, 4)).astype(np.float32) / 3
    np.savez(path, images=images)
    return path


def pictures(folder: Path, n: int = 30, *, odd_one: bool = False) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(n):
        shape = (5, 4, 3) if odd_one and i == n - 1 else (4, 4, 3)
        image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        image.save(folder / f"{i:03}.png")
    return folder


def strict(text: str) -> Any:
    """JSON as the standard has it, without NaN."""

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


# The whole path


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the digits: six updates, so that the profile was refreshed once."""
    out = tmp_path_factory.mktemp("digits") / "run"
    assert main(["train", "digits", "--out", str(out), "--updates", "6", *QUICK]) == 0
    return out


def test_train_leaves_a_run(digits: Path) -> None:
    assert {path.name for path in digits.iterdir()} == {
        "config.json", "config.yaml", "checkpoints", "metrics.jsonl", "profile.json", "done.json",
        "samples",
    }  # fmt: skip
    settings = strict((digits / "config.json").read_text())
    assert settings["train"]["updates"] == 6
    assert settings["train"]["batch"] == 8
    assert settings["images"]["shape"] == [1, 8, 8]
    assert "out" not in settings  # it may be moved
    newest = digits / "checkpoints" / "step-00000006"
    assert {p.suffix for p in newest.iterdir()} == {".safetensors", ".json"}
    lines = [strict(line) for line in (digits / "metrics.jsonl").read_text().splitlines()]
    final = strict((digits / "done.json").read_text())
    assert [line["step"] for line in lines[-2:]] == [6, 6]
    assert "density" in lines[-1]
    assert lines[-2] == {"step": 6, "evaluate": {k: v for k, v in final.items() if k != "step"}}
    profile = EntropyRateProfile.load(digits / "profile.json")
    assert profile.dim == 64
    assert profile.entropy() > 0


def test_sample_writes_a_picture(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "s.png"
    assert main(["sample", str(digits), "--out", str(out), "--n", "5", "--steps", "4"]) == 0
    assert f"{out}: 5 images, 7 denoiser calls each" in capsys.readouterr().out
    with Image.open(out) as image:
        # Two rows of three digits, 9 pixels apart, enlarged as far as 640 pixels go.
        assert image.size == (22 * (3 * 9 + 1), 22 * (2 * 9 + 1))
    again, other = tmp_path / "again.png", tmp_path / "other.png"
    quick = ["--n", "5", "--steps", "4"]
    assert main(["sample", str(digits), "--out", str(again), *quick]) == 0
    assert main(["sample", str(digits), "--out", str(other), *quick, "--seed", "1"]) == 0
    assert again.read_bytes() == out.read_bytes()
    assert other.read_bytes() != out.read_bytes()
    entropic = ["--grid", "entropic", "--solver", "euler"]
    assert main(["sample", str(digits), "--out", str(out), *quick, *entropic, "--overwrite"]) == 0
    assert out.read_bytes() != again.read_bytes()
    assert {p.name for p in tmp_path.rglob("*.*")} == {"s.png", "again.png", "other.png"}


def test_evaluate_repeats_what_train_found(
    digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    final = strict((digits / "done.json").read_text())
    assert main(["evaluate", str(digits), "--no-classifier"]) == 0
    head, bits, distance, _ = capsys.readouterr().out.splitlines()
    assert head.split() == ["measure", "value", "real", "to", "real", "better"]
    assert bits.split()[:4] == [
        "bits_per_dim", f"{final['bits_per_dim']:.4f}", "±", f"{final['bits_per_dim_stderr']:.4f}",
    ]  # fmt: skip
    assert distance.split()[:2] == ["energy_256", f"{final['energy_256']:.4f}"]
    assert strict((digits / "evaluation.json").read_text())["measures"][0]["floor"] is None


def test_profile_prints_and_draws(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source in (digits, digits / "profile.json"):
        assert main(["profile", str(source)]) == 0
    first, second = capsys.readouterr().out.split("entropy ")[1:]
    assert first == second
    profile = EntropyRateProfile.load(digits / "profile.json")
    assert f"{profile.entropy():.2f} ± " in first
    assert f"50% {float(profile.quantile(0.5)):.3g} " in first
    for suffix, start in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        out = tmp_path / f"p{suffix}"
        assert main(["profile", str(digits), "--out", str(out)]) == 0
        assert out.read_bytes().startswith(start)


class Loads(HTMLParser):
    """What a page asks the browser to load, and the cells of its tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.cells: list[list[str]] = []
        self.inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.loads += [v or "" for k, v in attrs if k in ("src", "srcset", "href", "xlink:href")]
        if tag == "tr":
            self.cells.append([])

    def handle_data(self, data: str) -> None:
        if self.inside in ("td", "th"):
            self.cells[-1].append(data)
        self.inside = ""


def check_comparison(out: Path, printed: str, schedules: list[str], steps: list[int]) -> None:
    """Files, schema and that table, page and JSON say the same numbers."""
    results = strict((out / "results.json").read_text())
    assert (results["format"], results["version"]) == ("infonoise-results", 1)
    assert [arm["schedule"] for arm in results["arms"]] == schedules
    bits, distance = (measure["name"] for measure in results["measures"])
    assert set(results["floors"]) == {distance}
    assert set(results["versions"]) == {"infonoise-core", "infonoise-vision", "torch"}

    expected = []
    best = min((a for a in results["arms"] if a["fixed"]), key=lambda a: a["evaluations"][-1][bits])
    assert results["best_fixed"] == {
        "schedule": best["schedule"], "value": best["evaluations"][-1][bits],
    }  # fmt: skip
    for arm in results["arms"]:
        assert [e["step"] for e in arm["evaluations"]] == steps
        assert all(math.isfinite(v) for e in arm["evaluations"] for v in e.values())
        # Five updates pass before a profile is there.
        assert (arm["profile"] is not None) == (arm["schedule"] == "infonoise" and steps[-1] >= 5)
        assert (out / "runs" / f"{arm['schedule']}-seed0" / "metrics.jsonl").exists()
        final = arm["evaluations"][-1]
        (reached,) = results["updates_to_best_fixed"][arm["schedule"]]
        expected.append([
            arm["schedule"],
            f"{final[bits]:.4f} ± {final[bits + '_stderr']:.4f}",
            f"{final[distance]:.4f}",
            "never" if reached is None else f"{reached:.0f}",
            "-" if reached is None else f"{steps[-1] / reached:.2f}",
        ])  # fmt: skip
    table = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in printed.splitlines() if line.startswith("│")
    ]  # fmt: skip
    assert table == expected
    assert f"The best fixed law is {best['schedule']}" in printed

    text = (out / "report.html").read_text()
    page = Loads(text)
    assert page.cells[1:] == expected
    assert all(target.startswith(("#", "data:")) for target in page.loads)
    assert not re.search(r"url\((?!#)|@import|<script|<link", text)
    pictures = [target for target in page.loads if target.startswith("data:image/png")]
    assert len(pictures) == len(schedules) + 1  # each one's samples, and held-out images
    assert text.count("<svg") == (4 if steps[-1] >= 5 else 3)


@pytest.mark.parametrize("make", [grey_levels, real_numbers, pictures])
def test_compare_answers_for_any_kind_of_data(
    tmp_path: Path, make: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = make(tmp_path / ("pictures" if make is pictures else "data.npz"))
    out = tmp_path / "out"
    argv = ["compare", str(data), "--out", str(out), "--schedules", "edm,infonoise"]
    assert main([*argv, "--updates", "6", "--batch", "8"]) == 0
    captured = capsys.readouterr()
    check_comparison(out, captured.out, ["edm", "infonoise"], list(range(1, 7)))
    assert f"report: {out / 'report.html'}" in captured.out
    assert "compare: 12/12 (100%)" in captured.err


def test_compare_on_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    argv = ["compare", "--schedules", "infonoise,edm", "--updates", "2", "--batch", "16"]
    assert main([*argv, "--out", str(out)]) == 0
    check_comparison(out, capsys.readouterr().out, ["infonoise", "edm"], [1, 2])


@pytest.mark.slow
def test_compare_on_digits_at_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["compare", "--updates", "24", "--out", str(out)]) == 0
    names = ["edm", "log-uniform", "infonoise"]
    check_comparison(out, capsys.readouterr().out, names, list(range(2, 25, 2)))


@pytest.mark.slow
def test_compare_with_a_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, data = tmp_path / "out", grey_levels(tmp_path / "data.npz")
    argv = ["compare", str(data), "--budget", "20s", "--batch", "8", "--schedules", "edm,infonoise"]
    assert main([*argv, "--out", str(out)]) == 0
    updates = strict((out / "updates.json").read_text())["updates"]
    assert updates >= 60
    steps = [updates // 12 * i for i in range(1, 13)]
    check_comparison(out, capsys.readouterr().out, ["edm", "infonoise"], steps)


def test_several_seeds_and_any_schedule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, data = tmp_path / "out", grey_levels(tmp_path / "data.npz")
    names = ["laplace", "cdcd"]
    argv = ["compare", str(data), "--schedules", ",".join(names), "--seeds", "2", "--seed", "5"]
    assert main([*argv, "--updates", "3", "--batch", "8", "--out", str(out)]) == 0
    results = strict((out / "results.json").read_text())
    assert [(arm["schedule"], arm["seed"]) for arm in results["arms"]] == [
        (name, seed) for name in names for seed in (5, 6)
    ]
    finals = [arm["evaluations"][-1]["bits_per_dim"] for arm in results["arms"][:2]]
    error = statistics.stdev(finals) / math.sqrt(2)
    assert f"{statistics.fmean(finals):.4f} ± {error:.4f}" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_results(tmp_path: Path) -> None:
    data = grey_levels(tmp_path / "data.npz")
    argv = ["compare", str(data), "--schedules", "edm,infonoise", "--updates", "5", "--batch", "8"]
    for name in ("one", "two"):
        assert main([*argv, "--out", str(tmp_path / name)]) == 0
    for file in ("results.json", "report.html"):
        one, two = ((tmp_path / name / file).read_bytes() for name in ("one", "two"))
        assert one == two


def test_a_schedule_under_two_names_ends_the_same_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So whatever differs between two schedules comes from the noise levels they draw."""
    names = []
    for name in ("edm", "infonoise"):
        monkeypatch.setitem(SCHEDULES, f"{name}-twin", SCHEDULES[name])  # type: ignore[arg-type]
        names += [name, f"{name}-twin"]
    out, data = tmp_path / "out", grey_levels(tmp_path / "data.npz")
    argv = ["compare", str(data), "--schedules", ",".join(names), "--updates", "6"]
    assert main([*argv, "--batch", "8", "--out", str(out)]) == 0
    arms = strict((out / "results.json").read_text())["arms"]
    for first, second in (arms[:2], arms[2:]):
        del first["schedule"], second["schedule"]
        assert first == second
    assert arms[0]["evaluations"] != arms[2]["evaluations"]


def test_a_run_that_was_moved_goes_on(tmp_path: Path) -> None:
    data = grey_levels(tmp_path / "data.npz")
    argv = ["train", str(data), "--updates", "6", *QUICK]
    assert main([*argv, "--out", str(tmp_path / "one")]) == 0
    done = (tmp_path / "one" / "done.json").read_text()
    shutil.move(tmp_path / "one", tmp_path / "two")
    (tmp_path / "two" / "done.json").unlink()
    shutil.rmtree(tmp_path / "two" / "checkpoints" / "step-00000006")
    assert main([*argv, "--out", str(tmp_path / "two")]) == 0
    assert (tmp_path / "two" / "done.json").read_text() == done


def test_overwrite_starts_anew(tmp_path: Path) -> None:
    out, data = tmp_path / "out", grey_levels(tmp_path / "data.npz")
    argv = ["train", str(data), "--batch", "8", "--out", str(out)]
    assert main([*argv, "--updates", "2"]) == 0
    assert main([*argv, "--updates", "3", "--overwrite"]) == 0
    assert strict((out / "config.json").read_text())["train"]["updates"] == 3
    assert [p.name for p in (out / "checkpoints").iterdir()] == ["step-00000003"]


OPTIONS = {
    "train": ["--out", "--schedule", "--device", "--overwrite", "--size", "--sigma-min", "--weight",
              "--updates", "--batch", "--lr", "--seed", "--save-every", "--condition",
              "--condition-noise"],
    "sample": ["--out", "--n", "--steps", "--solver", "--grid", "--seed", "--overwrite", "--class",
               "--seeds", "--guidance"],
    "inpaint": ["--out", "--mask", "--method", "--each", "--class", "--steps", "--overwrite"],
    "upscale": ["--out", "--factor", "--method", "--each", "--overwrite"],
    "prepare": ["--out", "--size", "--binarize", "--limit", "--bad-limit", "--overwrite"],
    "report": ["--out", "--data", "--overwrite"],
    "evaluate": ["--data", "--samples", "--device", "--cache", "--inception-weights", "--complete"],
    "profile": ["--out", "--overwrite", "--by", "--gap", "--draws"],
    "compare": ["--out", "--schedules", "--budget", "--updates", "--seeds", "--seed", "--overwrite",
                "--size", "--sigma-max"],
}  # fmt: skip


@pytest.mark.parametrize("verb", OPTIONS)
def test_help_names_every_option(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for option in OPTIONS[verb]:
        assert re.search(rf"{option}\b", captured.out), option
    if verb == "sample":
        shown = " ".join(re.sub(r"[│╭╮╰╯─]", " ", captured.out).split())
        assert all(solver in shown for solver in SOLVERS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"infonoise-vision {__version__}\n"


# Mistakes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good and bad data and runs, to be used from inside their folder."""
    w = tmp_path_factory.mktemp("world")
    grey_levels(w / "good.npz")
    grey_levels(w / "more.npz", 61)
    real_numbers(w / "real.npz")
    (w / "empty").mkdir()
    pictures(w / "mixed", odd_one=True)
    whole = (pictures(w / "broken") / "003.png").read_bytes()
    (w / "broken" / "003.png").write_bytes(whole[: len(whole) // 2])
    images = np.zeros((20, 4, 4), np.float32)
    images[5, 1, 1] = np.nan
    np.savez(w / "nan.npz", images=images)
    np.savez(w / "same.npz", images=np.zeros((20, 4, 4), np.uint8))
    twins = np.zeros((20, 4, 4), np.uint8)
    twins[0] = 1
    np.savez(w / "twins.npz", images=twins)
    (w / "notes.txt").write_text("notes")
    (w / "stranger").mkdir()
    (w / "run.png").mkdir()
    (w / "stranger" / "thesis.tex").write_text("thesis")
    with contextlib.chdir(w):
        train = ["train", "good.npz", "--updates", "6", *QUICK, "--out"]
        assert main([*train, "run"]) == 0
        assert main([*train, "plain", "--schedule", "edm"]) == 0
        assert main(["compare", "good.npz", *COMPARED, "--out", "comparison"]) == 0
    shutil.copytree(w / "run", w / "cut")
    (w / "cut" / "done.json").unlink()
    shutil.copytree(w / "comparison", w / "cut comparison")
    (w / "cut comparison" / "results.json").unlink()
    shutil.copytree(w / "run", w / "untrained", ignore=shutil.ignore_patterns("checkpoints"))
    (w / "damaged").mkdir()
    (w / "damaged" / "config.json").write_text('{"command": "infon')
    (w / "picture.png").write_bytes(whole)
    return w


def snapshot(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        if p.is_file()
        else ""
        for p in folder.rglob("*")
    }


TRAIN = ["train", "good.npz", "--out", "new"]
OVER_RUN = ["train", "good.npz", "--out", "run", "--overwrite"]
OVER_COMPARISON = ["compare", "good.npz", "--out", "comparison", "--overwrite"]
SAMPLE = ["sample", "run", "--out", "new.png"]
COMPARE = ["compare", "good.npz", "--out", "new", "--updates", "6"]
MISTAKES: list[tuple[list[str], list[str]]] = [
    # The data
    (["train", "empty", "--out", "new"], ["empty", "give a folder of image files"]),
    (["train", "broken", "--out", "new"], ["003.png"]),
    (["train", "mixed", "--out", "new"], ["029.png", "--size"]),
    (["train", "nan.npz", "--out", "new"], ["nan.npz", "NaN", "index 5", "mend or remove"]),
    (["train", "same.npz", "--out", "new"], ["same"]),
    (["train", "twins.npz", "--out", "new"], ["twins", "give more"]),
    (["train", "notes.txt", "--out", "new"], ["notes.txt", "give a folder of images"]),
    (["train", "gone", "--out", "new"], ["gone", "not found"]),
    (["compare", "empty", "--out", "new"], ["empty", "give a folder of image files"]),
    (["compare", "mixed", "--out", "new"], ["--size"]),
    (["compare", "nan.npz", "--out", "new"], ["nan.npz", "NaN"]),
    # Options of training
    ([*TRAIN, "--schedule", "nope"], ["--schedule nope", "edm", "infonoise"]),
    ([*TRAIN, "--sigma-min", "80"], ["--sigma-min 80", "--sigma-max 80"]),
    ([*TRAIN, "--sigma-min", "3", "--sigma-max", "1"], ["--sigma-min 3", "--sigma-max 1"]),
    ([*TRAIN, "--sigma-min", "nan"], ["--sigma-min nan"]),
    ([*TRAIN, "--sigma-max", "0.05"], ["--sigma-max 0.05", "4 grey levels"]),
    ([*TRAIN, "--sigma-data", "0"], ["--sigma-data 0"]),
    ([*TRAIN, "--weight", "heavy"], ["--weight heavy", "edm or unit"]),
    ([*TRAIN, "--size", "0"], ["--size 0"]),
    ([*TRAIN, "--updates", "0"], ["--updates 0"]),
    ([*TRAIN, "--batch", "-1"], ["--batch -1"]),
    ([*TRAIN, "--lr", "7"], ["--lr 7"]),
    ([*TRAIN, "--seed", "-1"], ["--seed -1"]),
    ([*TRAIN, "--device", "abacus"], ["--device abacus", "cpu"]),
    ([*TRAIN, "--updates", "three"], ["--updates", "three"]),
    ([*TRAIN, "--update", "3"], ["--update"]),
    (["train", "good.npz"], ["--out"]),
    # Places of output
    (["train", "good.npz", "--out", "stranger"], ["stranger", "empty it"]),
    (["train", "good.npz", "--out", "stranger", "--overwrite"], ["stranger", "empty it"]),
    (["train", "good.npz", "--out", "notes.txt"], ["notes.txt is a file"]),
    (["train", "good.npz", "--out", "notes.txt/new"], ["notes.txt", "Not a directory"]),
    (["train", "good.npz", "--out", "run"], ["run", "finished", "--overwrite"]),
    (["train", "good.npz", "--out", "cut", "--updates", "7", *QUICK], ["cut", "updates was 6"]),
    (["train", "more.npz", "--out", "cut", "--updates", "6", *QUICK], ["cut", "data was good.npz"]),
    (["train", "good.npz", "--out", "cut comparison"], ["cut comparison", "other settings"]),
    (["compare", "good.npz", "--out", "stranger"], ["stranger", "empty it"]),
    (["compare", "good.npz", "--out", "comparison", *COMPARED], ["comparison", "finished"]),
    (["compare", "good.npz", "--out", "cut comparison", *COMPARED, "--seeds", "2"],
     ["cut comparison", "seeds was 1 and is 2"]),
    # With --overwrite a mistake must not cost the earlier run
    ([*OVER_RUN, "--lr", "7"], ["--lr 7"]),
    ([*OVER_RUN, "--sigma-max", "0.05"], ["--sigma-max 0.05"]),
    (["train", "twins.npz", "--out", "run", "--overwrite"], ["twins"]),
    ([*OVER_COMPARISON, "--updates", "0"], ["--updates 0"]),
    ([*OVER_COMPARISON, "--budget", "1s"], ["--budget 1s", "give at least"]),
    (["compare", "twins.npz", "--out", "comparison", "--overwrite"], ["twins"]),
    # Sampling
    (["sample", "empty", "--out", "new.png"], ["empty", "no run here", "--out of a train command"]),
    (["sample", "gone", "--out", "new.png"], ["gone", "no run here"]),
    (["sample", "comparison", "--out", "new.png"], ["comparison", "--out of a train command"]),
    (["sample", "damaged", "--out", "new.png"], ["damaged/config.json", "train again"]),
    (["sample", "untrained", "--out", "new.png"], ["untrained", "no checkpoint"]),
    (["sample", "run", "--out", "picture.png"], ["picture.png", "--overwrite"]),
    (["sample", "run", "--out", "run.png"], ["run.png is a folder"]),
    (["sample", "run", "--out", "stranger", "--overwrite"], ["stranger", "no folder of PNGs"]),
    (["sample", "run", "--out", "notes.txt/new.png"], ["notes.txt"]),
    (["sample", "plain", "--out", "new.png", "--grid", "entropic"], ["plain", "no profile"]),
    ([*SAMPLE, "--grid", "nope"], ["--grid nope", "karras", "entropic"]),
    ([*SAMPLE, "--solver", "nope"], ["--solver nope", "heun"]),
    ([*SAMPLE, "--n", "0"], ["--n 0"]),
    ([*SAMPLE, "--steps", "0"], ["--steps 0"]),
    ([*SAMPLE, "--seed", "-1"], ["--seed -1"]),
    (["sample", "run"], ["--out"]),
    # Evaluation and profile
    (["evaluate", "empty"], ["empty", "no run here"]),
    (["evaluate", "run", "--samples", "1"], ["--samples 1"]),
    (["evaluate", "run", "--data", "more.npz"], ["more.npz", "train is 48 and not 49", "--data"]),
    (["evaluate", "run", "--data", "gone"], ["gone", "not found"]),
    (["profile", "empty"], ["empty", "no profile here"]),
    (["profile", "gone"], ["gone"]),
    (["profile", "notes.txt"], ["notes.txt", "not a profile"]),
    (["profile", "run", "--out", "picture.png"], ["picture.png", "--overwrite"]),
    (["profile", "run", "--out", "new.txt"], ["new.txt", ".svg"]),
    # Comparison
    ([*COMPARE, "--schedules", "edm,nope"], ["--schedules nope", "edm", "infonoise"]),
    ([*COMPARE, "--schedules", "edm,edm"], ["--schedules edm,edm", "twice"]),
    ([*COMPARE, "--schedules", ","], ["--schedules", "give names"]),
    ([*COMPARE, "--budget", "soon"], ["--budget soon", "3m"]),
    ([*COMPARE, "--budget", "0s"], ["--budget 0s"]),
    ([*COMPARE, "--seeds", "0"], ["--seeds 0"]),
    ([*COMPARE, "--batch", "0"], ["--batch 0"]),
    ([*COMPARE, "--seed", "-1"], ["--seed -1"]),
    ([*COMPARE, "--device", "abacus"], ["--device abacus"]),
    ([*COMPARE, "--sigma-min", "80"], ["--sigma-min 80"]),
    (["compare", "real.npz", "--out", "new", "--schedules", "iid-oracle"], ["iid-oracle"]),
    # The command itself
    ([], ["train", "compare"]),
    (["learn"], ["learn"]),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "words"), MISTAKES, ids=lambda value: " ".join(value))
def test_a_mistake_ends_in_one_line_and_changes_nothing(
    world: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(world)
    before = snapshot(world)
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    for word in words:
        assert word in captured.err
    assert snapshot(world) == before


def test_a_mistake_seen_from_outside(world: Path) -> None:
    command = [sys.executable, "-m", "infonoise_vision.cli", "compare", "broken", "--out", "new"]
    done = subprocess.run(command, cwd=world, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "003.png" in done.stderr
    assert done.stderr.count("\n") == 1
