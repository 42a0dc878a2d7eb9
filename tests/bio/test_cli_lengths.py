"""Sequences as long as they are, through every command."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("hasty_judge")

LENGTHS = {"x": (12, 17), "y": (24, 20)}


@pytest.fixture(scope="module")
def unequal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes with lengths of their own; a fifth each held out."""
    rng, lines = np.random.default_rng(0), []
    for i in range(120):
        label = "xy"[i % 2]
        length = LENGTHS[label][i // 2 % 3 == 0]
        part = ("train", "train", "train", "val", "test")[i // 2 % 5]
        text = "".join(rng.choice(list("ACGT"), length))
        lines.append(f">p{i} label={label} split={part}\n{text}\n")
    path = tmp_path_factory.mktemp("unequal") / "u.fa"
    path.write_text("".join(lines))
    return path


def texts(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line[0] != ">"]


def test_from_training_to_designs_scores_and_a_page(unequal, tmp_path, quick, few, run, refused):
    model, designs = tmp_path / "run", tmp_path / "d.fa"
    how = ["--label", "label", "--infill", "0.5", *quick]
    refused("give --window for one length, or --lengths as-they-are", "train", unequal,
            "--out", model, *how)  # fmt: skip
    code, _, err = run("train", unequal, "--out", model, "--lengths", "as-they-are", *how)
    assert code == 0
    assert "sequences of 12 to 24 bases" in err
    assert "lengths as they are, 12 to 24 bases" in err

    code, out, _ = run("sample", model, "--samples", 60, "--label", "x", "--out", designs, *few)
    assert (code, out) == (
        0, f"{designs}: 60 sequences of 12 to 24 bases, as training had them\n",
    )  # fmt: skip
    lengths = Counter(map(len, texts(designs)))
    assert set(lengths) == {12, 17}  # of its class, twice as many of the one as of the other
    assert 25 <= lengths[12] <= 55
    one = tmp_path / "one.fa"
    assert run("sample", model, "--samples", 5, "--length", 19, "--out", one, *few)[0] == 0
    assert {len(text) for text in texts(one)} == {19}
    refused("--length 25: the longest sequence of training had 24 bases", "sample", model,
            "--length", 25, "--out", tmp_path / "no.fa", *few)  # fmt: skip
    refused("differ in length; give --length", "sample", model, "--gc", "0.4-0.6",
            "--out", tmp_path / "no.fa", *few)  # fmt: skip
    placed = ["--length", 15, "--place", "TATA@3", "--samples", 4]
    assert run("sample", model, *placed, "--out", one, "--overwrite", *few)[0] == 0
    assert all(len(text) == 15 and text[3:7] == "TATA" for text in texts(one))

    table = tmp_path / "s.tsv"
    assert run("score", model, designs, "--out", table, "--levels", 4)[0] == 0
    rows = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    assert [int(row[1]) for row in rows] == [len(text) for text in texts(designs)]

    code, out, _ = run("evaluate", model, "--samples", 20, "--levels", 2, *few)
    assert code == 0
    assert "bits per base" in out
    assert run("evaluate", model, "--designs", designs, "--samples", 20, "--label", "x")[0] == 0
    page = tmp_path / "page.html"
    assert run("report", model, "--out", page, *few)[0] == 0
    assert "Logo of the generated sequences" in page.read_text()

    templates = tmp_path / "t.fa"
    templates.write_text(">a\nNNNNACGTAC\n>b\nACGTNNACGTACGTACGT\n")
    filled = tmp_path / "f.fa"
    code, out, _ = run("infill", model, templates, "--out", filled, *few)
    assert code == 0
    assert "21% of their bases designed" in out
    assert [len(text) for text in texts(filled)] == [10, 18]
    assert all("N" not in text for text in texts(filled))

    shared = tmp_path / "shared"
    assert run("push", model, shared)[0] == 0
    assert "of 12 to 24 bases" in (shared / "README.md").read_text()
    assert run("sample", shared, "--samples", 30, "--out", one, "--overwrite", *few)[0] == 0
    assert len({len(text) for text in texts(one)}) > 1


def test_baselines_of_sequences_as_long_as_they_are(unequal, tmp_path, quick, run):
    out, designs = tmp_path / "both", tmp_path / "d.fa"
    how = ["--label", "label", "--lengths", "as-they-are", "--eval-every", 0, *quick]
    assert run("baselines", unequal, "--out", out, *how)[0] == 0
    for name in ("masked", "autoregressive"):
        command = ["sample", out / name, "--samples", 20, "--label", "y", "--steps", 4]
        assert run(*command, "--out", designs, "--overwrite")[0] == 0
        assert {len(text) for text in texts(designs)} == {20, 24}
        assert all("N" not in text for text in texts(designs))


def test_a_model_of_one_length_makes_no_other(trained, tmp_path, few, refused):
    refused("--length 12: the model was trained on sequences of 24 bases and makes no others",
            "sample", trained, "--length", 12, "--out", tmp_path / "x.fa", *few)  # fmt: skip
