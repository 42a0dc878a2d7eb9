"""What a push takes along: averaged weights, measures, a page, and nothing of the machine."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from infonoise_core.commands.cli import main as infonoise
from infonoise_core.training.artifact import read_card, without_paths
from infonoise_core.training.run_folder import check_run

from ..toy_domain import MODEL_FILES, SECRET, make_run, names, opened, pull, push, refused


def test_the_averaged_weights_arrive_as_float32(toy_run: Path, tmp_path: Path) -> None:
    push(toy_run, tmp_path / "shared")
    pull(tmp_path / "shared", tmp_path / "new" / "model")
    assert names(tmp_path / "new" / "model") == MODEL_FILES
    weights = load_file(tmp_path / "new" / "model" / "model.safetensors")
    average = make_run(tmp_path / "again")
    assert {w.dtype for w in weights.values()} == {torch.float32}
    for name, value in average.state_dict().items():
        assert torch.equal(weights[name], value.float())
    assert torch.equal(opened(tmp_path / "new" / "model").weight, average.weight.float())


def test_nothing_of_the_machine_or_the_optimizer_travels(toy_run: Path, tmp_path: Path) -> None:
    push(toy_run, tmp_path / "shared")
    for name in MODEL_FILES:
        content = (tmp_path / "shared" / name).read_bytes()
        assert SECRET.encode() not in content
        assert str(tmp_path).encode() not in content
    assert json.loads((tmp_path / "shared" / "config.json").read_text())["data"] == "pictures"
    # Readable by whoever may read the rest.
    modes = {(tmp_path / "shared" / name).stat().st_mode for name in MODEL_FILES}
    assert len(modes) == 1


def test_the_card_says_what_was_measured_when(toy_run: Path, tmp_path: Path) -> None:
    push(toy_run, tmp_path / "shared")
    card = read_card(tmp_path / "shared")
    assert (card["kind"], card["program"], card["step"]) == ("model", "infonoise-toy", 7)
    assert card["parameters"] == 3 * 2 + 2
    assert card["measures"] == {"bits": 2.0, "bits_stderr": 0.25, "wild": None}
    assert card["versions"]["infonoise-toy"] == "1.2.3"
    assert {"infonoise-core", "torch"} <= card["versions"].keys()
    assert card["profile"]["entropy"] == pytest.approx(4 * torch.tensor(2.0).log().item(), rel=1e-3)
    assert card["files"].keys() == MODEL_FILES - {"README.md", "card.json"}
    page = (tmp_path / "shared" / "README.md").read_text()
    assert page.startswith("---\nlibrary_name: infonoise\ntags:\n- infonoise\n- toy\n---\n")
    for line in (
        "# infonoise-toy: pictures", "| width | 3 |", "| steps | 7 of 8 examples |",
        "after 5 updates", "| bits | 2.0000 ± 0.2500 |", "nats per example",
        "    pip install infonoise-toy\n", "    infonoise-toy pull FOLDER --out model\n",
        "    infonoise-toy sample model --out x.png\n", "infonoise-toy 1.2.3",
    ):  # fmt: skip
        assert line in page


def test_a_model_takes_the_place_of_a_run(toy_run: Path, tmp_path: Path, capsys: Any) -> None:
    model = tmp_path / "model"
    push(toy_run, model)
    assert infonoise(["profile", str(model)]) == 0
    pytest.importorskip("rich")
    assert infonoise(["estimate-memory", str(model)]) == 0
    assert "8 parameters" in capsys.readouterr().out
    # But training does not go on: the optimizer's state is not there.
    settings = json.loads((model / "config.json").read_text())
    refused(
        "finished run", lambda: check_run(model, settings, overwrite=False, finished="done.json")
    )


def test_what_was_pulled_is_pushed_on_as_it_is(toy_run: Path, tmp_path: Path) -> None:
    push(toy_run, tmp_path / "first")
    push(tmp_path / "first", tmp_path / "second")
    for name in MODEL_FILES:
        first, second = (tmp_path / folder / name for folder in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_a_run_without_profile_or_evaluation(toy_run: Path, tmp_path: Path) -> None:
    (toy_run / "profile.json").unlink()
    (toy_run / "metrics.jsonl").unlink()
    push(toy_run, tmp_path / "shared")
    assert names(tmp_path / "shared") == MODEL_FILES - {"profile.json"}
    page = (tmp_path / "shared" / "README.md").read_text()
    assert "## Measures" not in page
    assert "nats" not in page
    out = tmp_path / "p.json"
    assert infonoise(["pull", str(tmp_path / "shared"), "--out", str(out)]) == 2
    assert not out.exists()


def test_a_page_may_be_edited(toy_run: Path, tmp_path: Path) -> None:
    push(toy_run, tmp_path / "shared")
    (tmp_path / "shared" / "README.md").write_text("Mine.")
    pull(tmp_path / "shared", tmp_path / "model")
    assert (tmp_path / "model" / "README.md").read_text() == "Mine."


# Paths


PATHS = st.lists(st.text("abc-_ ", min_size=1, max_size=5).map(str.strip).filter(bool), min_size=2)


@given(PATHS, st.sampled_from(["/{}", "C:\\{}", "~/{}", "../{}"]))
def test_only_the_last_part_of_a_path_is_told(parts: list[str], form: str) -> None:
    separator = "\\" if "\\" in form else "/"
    path = form.format(separator.join(parts))
    assert without_paths({"deep": [{"data": path}]}) == {"deep": [{"data": parts[-1]}]}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("profile:/home/me/p.json", "profile:p.json"),
        ("windows of /data/set/a.fa and ~/b/c.fa", "windows of a.fa and c.fa"),
        ("hf:owner/name", "hf:owner/name"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("data/pictures", "data/pictures"),
        ("log-normal:-1.2:1.2", "log-normal:-1.2:1.2"),
        ("nats / dim", "nats / dim"),
    ],
)
def test_other_texts_with_slashes_stay(text: str, kept: str) -> None:
    assert without_paths(text) == kept


def test_names_of_classes_are_no_paths() -> None:
    images = {"classes": ["/m/0bt9lf", "/m/04rky"], "shape": [3, 4, 4]}
    assert without_paths(images) == images
