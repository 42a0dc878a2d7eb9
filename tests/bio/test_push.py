"""A run that was pushed and pulled: the folder stands wherever the run stood."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from infonoise_bio.cli import main

pytestmark = pytest.mark.usefixtures("hasty_judge")


@pytest.fixture(scope="module")
def model(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("push")
    assert main(["push", str(trained), str(folder / "shared")]) == 0
    assert main(["pull", str(folder / "shared"), "--out", str(folder / "model")]) == 0
    return folder / "model"


def test_a_pulled_model_designs_and_scores_as_the_run(
    trained: Path, model: Path, data: Path, tmp_path: Path, few: list[str]
) -> None:
    found = []
    for run in (trained, model):
        out = tmp_path / run.name
        out.mkdir()
        how = ["--label", "x", "--activity", "act=0.5"]
        assert (
            main(["sample", str(run), "--samples", "5", *how, *few, "--out", str(out / "a.fa")])
            == 0
        )
        words = ["score", str(run), str(data)]
        assert main([*words, "--out", str(out / "scores.tsv")]) == 0
        templates = out / "t.fa"
        templates.write_text(f">t\n{'ACGTNNNNNNNN' * 2}\n")
        words = ["infill", str(run), str(templates), *few, "--out", str(out / "i.fa")]
        assert main(words) == 0
        words = [
            "evaluate",
            str(run),
            "--data",
            str(data),
            "--samples",
            "20",
            "--levels",
            "1",
            *few,
        ]
        assert main([*words, "--out", str(out / "evaluation.json")]) == 0
        table = json.loads((out / "evaluation.json").read_text())
        del table["run"], table["data"]["name"]  # where they lay is not told
        texts = [(out / name).read_text() for name in ("a.fa", "scores.tsv", "i.fa")]
        found.append([*texts, table])
    assert found[0] == found[1]


def test_its_page_says_what_it_was_trained_on(model: Path, data: Path) -> None:
    page = (model / "README.md").read_text()
    for line in (
        "# infonoise-bio: promoters", "| sequences | 72, of 24 bases |", "| strand | forward |",
        "| classes | x, y |", "| numbers | act |", "| bits_per_base | ",
        "    infonoise-bio sample model --out designs.fa\n",
    ):  # fmt: skip
        assert line in page
    told = page + "".join(p.read_text() for p in model.glob("*.json"))
    assert str(data.parent) not in told


def test_a_model_of_another_domain_is_named(
    model: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    card = json.loads((model / "card.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    for path in model.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    (other / "card.json").write_text(json.dumps({**card, "program": "infonoise-vision"}))
    code, _, err = run("pull", other, "--out", tmp_path / "model")
    assert code == 2
    assert "a model of infonoise-vision; use infonoise-vision in place of infonoise-bio" in err
