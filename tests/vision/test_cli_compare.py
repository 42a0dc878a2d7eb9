"""`compare` on the command line: table, page and JSON, and mistakes that end in one line."""

import math
import re
import statistics
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.schedules.registry import SCHEDULES
from infonoise_vision.cli import main

# As the comparison of the fixtures was made.
COMPARED = ["--steps", "2", "--batch-size", "8", "--schedules", "edm"]


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


def check_comparison(
    strict: Callable[[str], Any], out: Path, printed: str, schedules: list[str], steps: list[int]
) -> None:
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
        assert (arm["profile"] is not None) == (steps[-1] >= 5)
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
    assert f"The best fixed noise distribution is {best['schedule']}" in printed

    text = (out / "report.html").read_text()
    page = Loads(text)
    assert page.cells[1:] == expected
    assert all(target.startswith(("#", "data:")) for target in page.loads)
    assert not re.search(r"url\((?!#)|@import|<script|<link", text)
    pictures = [target for target in page.loads if target.startswith("data:image/png")]
    assert len(pictures) == len(schedules) + 1  # each one's samples, and held-out images
    assert text.count("<svg") == (4 if steps[-1] >= 5 else 3)


def test_compare_answers_for_any_kind_of_data(
    tmp_path: Path,
    any_data: Path,
    strict: Callable[[str], Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    argv = ["compare", str(any_data), "--out", str(out), "--schedules", "edm,infonoise"]
    assert main([*argv, "--steps", "6", "--batch-size", "8"]) == 0
    captured = capsys.readouterr()
    check_comparison(strict, out, captured.out, ["edm", "infonoise"], list(range(1, 7)))
    assert f"report: {out / 'report.html'}" in captured.out
    assert "compare: 12/12 (100%)" in captured.err


def test_compare_on_digits(
    tmp_path: Path, strict: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    argv = ["compare", "--schedules", "infonoise,edm", "--steps", "2", "--batch-size", "16"]
    assert main([*argv, "--out", str(out)]) == 0
    check_comparison(strict, out, capsys.readouterr().out, ["infonoise", "edm"], [1, 2])


@pytest.mark.slow
def test_compare_on_digits_at_length(
    tmp_path: Path, strict: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["compare", "--steps", "24", "--out", str(out)]) == 0
    names = ["edm", "log-uniform", "infonoise"]
    check_comparison(strict, out, capsys.readouterr().out, names, list(range(2, 25, 2)))


@pytest.mark.slow
def test_compare_with_a_budget(
    tmp_path: Path,
    grey: Path,
    strict: Callable[[str], Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    argv = [
        "compare",
        str(grey),
        "--budget",
        "20s",
        "--batch-size",
        "8",
        "--schedules",
        "edm,infonoise",
    ]
    assert main([*argv, "--out", str(out)]) == 0
    updates = strict((out / "updates.json").read_text())["updates"]
    assert updates >= 60
    steps = [updates // 12 * i for i in range(1, 13)]
    check_comparison(strict, out, capsys.readouterr().out, ["edm", "infonoise"], steps)


def test_several_seeds_and_any_schedule(
    tmp_path: Path,
    grey: Path,
    strict: Callable[[str], Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    names = ["laplace", "cdcd"]
    argv = ["compare", str(grey), "--schedules", ",".join(names), "--seeds", "2", "--seed", "5"]
    assert main([*argv, "--steps", "3", "--batch-size", "8", "--out", str(out)]) == 0
    results = strict((out / "results.json").read_text())
    assert [(arm["schedule"], arm["seed"]) for arm in results["arms"]] == [
        (name, seed) for name in names for seed in (5, 6)
    ]
    finals = [arm["evaluations"][-1]["bits_per_dim"] for arm in results["arms"][:2]]
    error = statistics.stdev(finals) / math.sqrt(2)
    assert f"{statistics.fmean(finals):.4f} ± {error:.4f}" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_results(tmp_path: Path, grey: Path) -> None:
    argv = [
        "compare",
        str(grey),
        "--schedules",
        "edm,infonoise",
        "--steps",
        "5",
        "--batch-size",
        "8",
    ]
    for name in ("one", "two"):
        assert main([*argv, "--out", str(tmp_path / name)]) == 0
    for file in ("results.json", "report.html"):
        one, two = ((tmp_path / name / file).read_bytes() for name in ("one", "two"))
        assert one == two


def test_a_schedule_under_two_names_ends_the_same_twice(
    tmp_path: Path,
    grey: Path,
    strict: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So whatever differs between two schedules comes from the noise levels they draw."""
    names = []
    for name in ("edm", "infonoise"):
        monkeypatch.setitem(SCHEDULES, f"{name}-twin", SCHEDULES[name])  # type: ignore[arg-type]
        names += [name, f"{name}-twin"]
    out = tmp_path / "out"
    argv = ["compare", str(grey), "--schedules", ",".join(names), "--steps", "6"]
    assert main([*argv, "--batch-size", "8", "--out", str(out)]) == 0
    arms = strict((out / "results.json").read_text())["arms"]
    for first, second in (arms[:2], arms[2:]):
        del first["schedule"], second["schedule"]
        assert first == second
    assert arms[0]["evaluations"] != arms[2]["evaluations"]


COMPARE = ["compare", "good.npz", "--out", "new", "--steps", "6"]
OVER_COMPARISON = ["compare", "good.npz", "--out", "comparison", "--overwrite"]
MISTAKES: list[tuple[list[str], list[str]]] = [
    # The data
    (["compare", "empty", "--out", "new"], ["empty", "give a folder of image files"]),
    (["compare", "mixed", "--out", "new"], ["--size"]),
    (["compare", "nan.npz", "--out", "new"], ["nan.npz", "NaN"]),
    # Places of output
    (["compare", "good.npz", "--out", "stranger"], ["stranger", "give another --out"]),
    (["compare", "good.npz", "--out", "comparison", *COMPARED], ["comparison", "finished"]),
    (["compare", "good.npz", "--out", "cut comparison", *COMPARED, "--seeds", "2"],
     ["cut comparison", "seeds was 1 and is 2"]),
    # With --overwrite a mistake must not cost the earlier run
    ([*OVER_COMPARISON, "--steps", "0"], ["--steps 0"]),
    ([*OVER_COMPARISON, "--budget", "1s"], ["--budget 1s", "give at least"]),
    (["compare", "twins.npz", "--out", "comparison", "--overwrite"], ["twins"]),
    # Options
    ([*COMPARE, "--schedules", "edm,nope"], ["--schedules nope", "edm", "infonoise"]),
    ([*COMPARE, "--schedules", "edm,edm"], ["--schedules edm,edm", "twice"]),
    ([*COMPARE, "--schedules", ","], ["--schedules", "give names"]),
    ([*COMPARE, "--budget", "soon"], ["--budget soon", "3m"]),
    ([*COMPARE, "--budget", "0s"], ["--budget 0s"]),
    ([*COMPARE, "--seeds", "0"], ["--seeds 0"]),
    ([*COMPARE, "--batch-size", "0"], ["--batch-size 0"]),
    ([*COMPARE, "--seed", "-1"], ["--seed -1"]),
    ([*COMPARE, "--device", "abacus"], ["--device abacus"]),
    ([*COMPARE, "--sigma-min", "80"], ["--sigma-min 80"]),
    (["compare", "real.npz", "--out", "new", "--schedules", "iid-oracle"], ["iid-oracle"]),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "words"), MISTAKES, ids=lambda value: " ".join(value))
def test_a_mistake_ends_in_one_line_and_changes_nothing(
    refused: Callable[[list[str], list[str]], None], argv: list[str], words: list[str]
) -> None:
    refused(argv, words)
