"""The benchmark command runs, and its page is made from its numbers."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bio
import core
import dna_laws
import dna_towards
import image_encoders
import image_laws
import image_pairs
import image_samplers
import image_stages
import pretrained
import report
import text
import text_characters
import text_networks
import training
import vision
from infonoise_core import InfoNoise, VarianceExploding
from infonoise_core.errors import InputError
from of_core import closed_forms
from pictures import figures

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "benchmarks"
SUITES = {suite.name: suite for suite in (
    core.SUITE, training.SUITE, vision.SUITE, image_laws.SUITE, image_pairs.SUITE,
    image_encoders.SUITE, image_samplers.SUITE, image_stages.SUITE, pretrained.SUITE, bio.SUITE,
    dna_laws.SUITE, dna_towards.SUITE, text.SUITE, text_characters.SUITE,
    text_networks.SUITE,
)}  # fmt: skip


def results_of(name):
    return json.loads((PAGES / f"{name}.json").read_text())


def test_every_page_belongs_to_a_command():
    assert {path.stem for path in PAGES.glob("*.md")} == set(SUITES)


@pytest.mark.parametrize("name", SUITES)
def test_page_is_rendered_from_the_results(name):
    assert (PAGES / f"{name}.md").read_text() == report.render(results_of(name))


def words(svg):
    """All text of a picture, which holds its labels and the numbers at its axes."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


@pytest.mark.parametrize("name", SUITES)
def test_pictures_are_drawn_from_the_results(name, tmp_path):
    drawn = figures.draw_all(results_of(name), tmp_path)
    kept = sorted((PAGES / "figures").glob(f"{name}-*.svg"))
    assert [path.name for path in kept] == sorted(path.name for path in drawn)
    for path in drawn:
        new, old = path.read_text(), (PAGES / "figures" / path.name).read_text()
        # Another matplotlib draws other bytes, but as many lines and the same words.
        assert new.count("<path") == old.count("<path")
        assert words(new) == words(old)
        assert f"](figures/{path.name})" in (PAGES / f"{name}.md").read_text()


def test_another_result_makes_another_picture(tmp_path):
    results = results_of("text")
    before, after = tmp_path / "before", tmp_path / "after"
    # With the way there a picture shows that; without, where each schedule ends.
    results["sections"]["schedules"].pop("curves", None)
    figures.draw_all(results, before)
    results["sections"]["schedules"]["tables"][0]["rows"][0][1] = "3.2332 ± 0.0047"
    figures.draw_all(results, after)
    changed = [p.name for p in before.iterdir() if p.read_text() != (after / p.name).read_text()]
    assert changed == ["text-quality.svg"]


def test_quality_is_drawn_against_steps_where_the_results_keep_the_way_there(tmp_path):
    results = results_of("text")
    section = results["sections"]["schedules"]
    names = [row[0] for row in section["tables"][0]["rows"]]
    section["curves"] = [
        {"schedule": name, "seed": seed, "measure": "b", "steps": [1, 2], "values": [4 + seed, 3]}
        for name in names
        for seed in range(3)
    ]
    ends = "".join(words(figures.draw_all(results, tmp_path)[0].read_text()))
    assert "training steps" in ends
    assert all(name in ends for name in names)


@pytest.mark.parametrize("name", SUITES)
def test_results_are_whole_and_not_from_the_quick_mode(name):
    results = results_of(name)
    assert list(results["sections"]) == list(SUITES[name].sections)
    assert results["quick"] is False
    assert {"versions", "seed", "threads"} <= results.keys()
    for section in results["sections"].values():
        assert section["goals"]
        for table in section["tables"]:
            assert table["rows"]
            assert {len(row) for row in table["rows"]} == {len(table["columns"])}


@pytest.mark.parametrize(
    ("relation", "limit", "upper", "value", "met"),
    [
        ("at most", 0.5, None, 0.5, True),
        ("at most", 0.5, None, 0.51, False),
        ("at least", 10, None, 9.9, False),
        ("equal to", 0, None, 0, True),
        ("between", 9.5, 11.5, 11.6, False),
        ("between", 9.5, 11.5, 9.5, True),
        # What could not be measured is no success.
        ("at most", 0.5, None, math.nan, False),
        ("between", 9.5, 11.5, math.nan, False),
    ],
)
def test_verdicts(relation, limit, upper, value, met):
    goal = report.Goal("what", value, relation, limit, upper=upper)
    assert goal.met is met
    section = report.to_json(report.Section("s", [], [goal]))
    page = report.render(
        {
            "title": "t", "command": "c", "versions": {}, "quick": False, "seed": 0, "threads": 1,
            "sections": {"s": section},
        }
    )  # fmt: skip
    assert ("**missed**" in page) is not met
    json.dumps(section, allow_nan=False)


def test_numbers_read_well():
    table = report.Table("t", "a", ["name", "x"], [["row", -0.0004], ["none", None]], {"x": "+.3f"})
    section = report.to_json(report.Section("s", [table], []))
    assert section["tables"][0]["rows"] == [["row", -0.0004], ["none", None]]
    results = {
        "title": "t", "command": "c", "versions": {}, "quick": True, "seed": 0, "threads": 1,
        "sections": {"s": section},
    }  # fmt: skip
    assert "| row | 0.000 |\n| none | – |" in report.render(results)


def test_what_the_bench_calls_default_is():
    schedule = InfoNoise(VarianceExploding())
    assert schedule.estimator.horizon == closed_forms.HORIZON


def test_unknown_sections_are_refused():
    with pytest.raises(InputError, match="--only weather: give some of closed-forms"):
        core.SUITE._names("cost,weather")


def run(*arguments):
    command = [sys.executable, str(ROOT / "tools" / "bench" / "core.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_mistakes_are_one_line_on_stderr(tmp_path):
    taken = tmp_path / "file"
    taken.write_text("")
    answer = run("--only", "weather")
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: --only weather")
    assert answer.stdout == ""


@pytest.mark.slow
def test_one_section_is_printed(tmp_path):
    answer = run("--quick", "--only", "two-processes", "--out", str(tmp_path / "none"))
    assert answer.returncode == 0, answer.stderr
    assert "## Two processes" in answer.stdout
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_quick_mode_writes_both_files(tmp_path):
    answer = run("--quick", "--out", str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    results = json.loads((tmp_path / "core.json").read_text())
    assert list(results["sections"]) == list(core.SUITE.sections)
    assert (tmp_path / "core.md").read_text() == report.render(results)
    # No machine, no path.
    assert str(ROOT) not in (tmp_path / "core.json").read_text()
