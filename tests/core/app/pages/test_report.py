"""report.html: one file that says what results.json says, and loads nothing."""

import base64
import io
import math
import re
import statistics
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from infonoise_core import EntropyRateProfile
from infonoise_core.app.pages.report import answer, write_report
from infonoise_core.app.results import Arm, Difference, Results, rows
from infonoise_core.binning import log_edges
from infonoise_core.evaluation.measures import Measure

LOADING = ("src", "srcset", "href", "xlink:href", "data", "action", "poster", "background")
VOID = ("meta", "img", "br", "hr", "link", "input", "source")


class Page(HTMLParser):
    """Reads a page strictly: every tag is closed where it must be, nothing is loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[list[str]] = []
        self.images: list[bytes] = []
        self.drawings = 0
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in LOADING:
                assert value is not None
                assert value.startswith(("#", "data:")), f"<{tag} {name}> loads {value}"
            if name == "style":
                self.check_style(value or "")
        assert tag not in ("script", "iframe", "object", "embed", "link", "base")
        if tag == "img":
            source = dict(attrs)["src"] or ""
            assert dict(attrs)["alt"]
            self.images.append(base64.b64decode(source.partition(";base64,")[2], validate=True))
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
        self.drawings += tag == "svg"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.check_style(data)
            return
        if "svg" not in self.open:
            self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1][-1] += data

    @staticmethod
    def check_style(css: str) -> None:
        assert "@import" not in css
        assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)", css))


def profile() -> dict[str, object]:
    edges = log_edges(0.1, 10.0, 4)
    rate = torch.tensor([3.0, 2.0, 1.0, 0.0], dtype=torch.float64)
    error = torch.tensor([0.1, 0.1, 0.1, torch.inf], dtype=torch.float64)
    return EntropyRateProfile(edges, rate, error, torch.ones_like(rate)).to_dict()


def arm(name: str, values: list[float], *, fixed: bool = True, seed: int = 0) -> Arm:
    evaluations = [
        {"step": 10.0 * (i + 1), "nats": v, "nats_stderr": 0.25, "distance": v - 3}
        for i, v in enumerate(values)
    ]
    return Arm(
        name, fixed, seed, evaluations, ([0.1, 1.0, 10.0], [0.2, 0.3, 0.2]), f"{name} was <fine>",
        None if fixed else profile(),
    )  # fmt: skip


def results(*arms: Arm) -> Results:
    return Results(
        data={"name": "<b>coins & dice</b>", "train": 7},
        settings={"train": {"steps": 30}, "objective": {"size": None}},
        measures=[
            Measure("nats", "nats per example", "A <bound>."),
            Measure("distance", "distance", "May be negative."),
        ],
        arms=list(arms),
        versions={"infonoise-core": "0.1", "torch": "2"},
        floors={"distance": 0.5},
    )


FOUND = results(
    arm("edm", [6, 5, 4]),
    arm("log-uniform", [6, 5.5, 4.5]),
    arm("infonoise", [5, 3, 2], fixed=False),
)


def picture(level: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((3, 3), level, np.uint8)).save(out, format="PNG")
    return out.getvalue()


def test_the_page_is_whole_and_loads_nothing(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    samples = {"edm": picture(1), "held out": picture(2), "infonoise": "ACGT <tag>\nACGT"}
    write_report(path, FOUND, samples)
    assert list(tmp_path.iterdir()) == [path]
    page = Page(path.read_text())
    header, body = rows(FOUND)
    assert page.cells == [header, *body]
    assert page.images == [picture(1), picture(2)]
    assert page.drawings == 4  # two measures, profile, densities
    assert answer(FOUND) in page.text
    for words in (
        "<b>coins & dice</b>", "A <bound>.", "ACGT <tag>", "infonoise was <fine>", "0.5000",
        "infonoise-core 0.1, torch 2", '"steps": 30',
    ):  # fmt: skip
        assert words in page.text


def test_the_same_results_give_the_same_page(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_report(tmp_path / name, FOUND, {"edm": picture(1)})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_page_without_profile_and_samples(tmp_path: Path) -> None:
    write_report(tmp_path / "r.html", results(arm("edm", [6, 5])), {})
    page = Page((tmp_path / "r.html").read_text())
    assert page.drawings == 3
    assert page.images == []
    assert "Samples" not in page.text
    assert "nothing to answer" in page.text


def test_several_seeds_and_values_below_zero(tmp_path: Path) -> None:
    """The distance falls below 0, where a logarithmic axis would warn, and warnings are errors."""
    arms = [arm("edm", [9, 4, 2 + s], seed=s) for s in range(3)]
    arms += [arm("infonoise", [9, 3, 1 + s], fixed=False, seed=s) for s in range(3)]
    write_report(tmp_path / "r.html", results(*arms), {})
    page = Page((tmp_path / "r.html").read_text())
    assert page.cells[1:] == rows(results(*arms))[1]
    assert page.text.count("was <fine>") == 6


def test_an_earlier_page_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("earlier")
    with pytest.raises(Exception, match="steps"):
        write_report(path, replace(FOUND, settings={"train": {}}), {})
    assert path.read_text() == "earlier"


def test_the_answer_when_it_helps() -> None:
    """edm ends at 4; infonoise meets that half-way between 10 and 20 steps of 30."""
    assert answer(FOUND) == (
        "The best fixed noise distribution is edm, which ends at 4.0000 nats per example."
        " infonoise reaches that after 15 of 30 steps (2.00 times fewer) and ends at 2.0000,"
        " 2.0000 ± 0.3536 lower."
    )


def test_the_answer_when_it_does_not() -> None:
    found = results(arm("edm", [6, 5, 4]), arm("infonoise", [6, 5, 4.75], fixed=False))
    assert answer(found).endswith(
        "infonoise ends at 4.7500 and does not reach it, 0.7500 ± 0.3536 higher: it does not help"
        " here."
    )


@pytest.mark.parametrize(
    ("final", "end"),
    [
        # Of 4 ± 0.25 and 0.25 each, a difference of up to twice the root of 2 quarters.
        (
            4.7,
            "does not reach it, 0.7000 ± 0.3536 higher, which is within the error;"
            " more --seeds tell more.",
        ),
        (
            3.3,
            "and ends at 3.3000, 0.7000 ± 0.3536 lower, which is within the error;"
            " more --seeds tell more.",
        ),
        (3.25, "and ends at 3.2500, 0.7500 ± 0.3536 lower."),
    ],
)
def test_the_answer_knows_its_error(final: float, end: str) -> None:
    found = results(arm("edm", [6, 5, 4]), arm("infonoise", [6, 5, final], fixed=False))
    assert answer(found).endswith(end)


def test_seeds_are_compared_one_by_one() -> None:
    """Seeds differ by 2, schedules of one seed by 0.5 ± 0.1: the error is that of the latter."""
    arms = [arm("edm", [9, 4 + 2 * s], seed=s) for s in range(2)]
    arms += [arm("infonoise", [9, 3.6 + 1.8 * s], fixed=False, seed=s) for s in range(2)]
    found = results(*arms)
    assert found.difference("infonoise", "edm") == Difference(
        pytest.approx(-0.5), pytest.approx(0.1)
    )
    assert answer(found).endswith("0.5000 ± 0.1000 lower.")


def test_one_seed_is_compared_example_by_example() -> None:
    """Examples differ by far more than 0.5 ± 0.1, which is how far their costs lie apart."""
    costs = ([1.0, 7.0, 2.0, 6.0], [0.7, 6.3, 1.7, 5.3])
    arms = [
        replace(arm(name, [9, math.fsum(c) / 4], fixed=name == "edm"), examples=c)
        for name, c in zip(("edm", "infonoise"), costs, strict=True)
    ]
    found = results(*arms)
    gaps = [b - a for a, b in zip(*costs, strict=True)]
    error = statistics.stdev(gaps) / 2
    assert found.difference("infonoise", "edm") == Difference(
        pytest.approx(-0.5), pytest.approx(error), 4
    )
    assert answer(found).endswith(
        f"0.5000 ± {error:.4f} lower on the same 4 held-out examples of one seed."
    )
    # Others, or fewer of them, can not be compared one by one.
    fewer = replace(arms[1], examples=[1.0])
    assert results(arms[0], fewer).difference("infonoise", "edm") == Difference(
        pytest.approx(-0.5), pytest.approx(0.25 * math.sqrt(2))
    )


def test_nothing_is_said_of_an_error_that_is_not_known() -> None:
    bare = [
        replace(a, evaluations=[{"step": 30.0, "nats": value}])
        for a, value in ((arm("edm", [4]), 4.0), (arm("infonoise", [3], fixed=False), 3.0))
    ]
    assert results(*bare).difference("infonoise", "edm") is None
    assert answer(results(*bare)).endswith("and ends at 3.0000.")
    diverged = results(arm("edm", [4]), arm("infonoise", [float("nan")], fixed=False))
    assert diverged.difference("infonoise", "edm") is None
    assert answer(diverged).endswith("does not reach it: it does not help here.")


def test_the_answer_when_seeds_disagree() -> None:
    arms = [arm("edm", [6, 5, 4], seed=s) for s in range(2)]
    arms += [arm("infonoise", [6, 5, 3 + 2 * s], fixed=False, seed=s) for s in range(2)]
    assert answer(results(*arms)).endswith(
        "infonoise reaches that from 1 of 2 seeds and ends at 4.0000 ± 1.0000 on average,"
        " 0.0000 ± 1.0000 higher, which is within the error."
    )
