"""Commands that measure: score, evaluate, profile, compare, baselines."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from infonoise_core import EntropyRateProfile

LENGTH = 24


def strict(path: Path) -> dict:
    """JSON as the standard has it, without NaN."""

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_score_writes_a_row_for_each_record_in_order(trained, tmp_path, fasta, random_texts, run):
    path = fasta(tmp_path / "in.fa", random_texts(7))
    out, alone = tmp_path / "scores.tsv", tmp_path / "alone.tsv"
    how = ["--levels", 8, "--chunk", 3, "--label", "x"]
    code, told, _ = run("score", trained, path, "--out", out, *how)
    assert code == 0
    assert told.startswith(f"{out}: 7 scores\n")
    header, *rows = (line.split("\t") for line in out.read_text().splitlines())
    assert header == ["id", "bases", "nats", "bits_per_base", "stderr"]
    assert [row[0] for row in rows] == [f"r{i}" for i in range(7)]
    assert all(row[1] == "24" and 1 < float(row[3]) < 3 for row in rows)
    # A score does not depend on what else is in the file.
    fasta(path, random_texts(7)[:1])
    assert run("score", trained, path, "--out", alone, *how)[0] == 0
    assert alone.read_text().splitlines()[1] == out.read_text().splitlines()[1]


def test_a_mistake_at_the_end_of_a_file_is_told_before_anything_is_scored(
    trained, tmp_path, monkeypatch, fasta, random_texts, refused
):
    path, out = fasta(tmp_path / "in.fa", [*random_texts(3), "ACGT"]), tmp_path / "x.tsv"

    def never(*_: object) -> None:
        pytest.fail("scored")

    monkeypatch.setattr("infonoise_bio.evaluation.score.Scorer.parts", never)
    refused("record 'r3' has 4 bases and", "score", trained, path, "--out", out)
    fasta(path, ["ACGT"])
    refused("has 4 bases and the model takes 24; give --window 24", "score", trained, path,
            "--out", out)  # fmt: skip
    refused("label 'z' was not seen", "score", trained, path, "--out", out, "--label", "z")
    refused("no sequence is left", "score", trained, path, "--out", out, "--window", 24,
            "--shorter", "drop")  # fmt: skip
    assert not out.exists()


def test_evaluate_prints_a_table_and_writes_json_and_a_page(trained, tmp_path, few, run):
    out, page, motifs = (tmp_path / name for name in ("x.json", "page.html", "box.jaspar"))
    motifs.write_text(">M1 box\nA [0 9 0 9]\nC [0 0 0 0]\nG [0 0 9 0]\nT [9 0 0 0]\n")
    code, told, _ = run("evaluate", trained, "--n", 20, "--out", out, "--html", page,
                        "--motifs", motifs, "--motif", "M1@3-9", "--motif-rate", 0.01,
                        *few)  # fmt: skip
    assert code == 0
    found = strict(out)
    rows = {row["name"]: row for row in found["rows"]}
    assert found["sequences"] == 20
    assert found["data"].endswith("promoters.fa")
    assert {"M1 box hits", "M1 box at 3-9", "6-mer Pearson"} <= rows.keys()
    # A few updates change nothing: the network is still that of independent bases.
    assert found["bits_per_base"]["value"] == pytest.approx(found["independent_bases"], abs=0.1)
    same = rows["bits per base, Markov everywhere the same"]
    assert same["generated"] == found["bits_per_base"]["value"]
    assert (same["held_out"], same["real"]) == (None, None)
    for name in rows:
        assert name in told
    html = page.read_text()
    assert html.count("<svg") == 6
    # It opens offline: nothing is fetched.
    assert not re.findall(r'(?:src|href)="https?:', html)
    assert html.count("6-mer Pearson") == 1


def test_evaluate_of_one_class(trained, tmp_path, few, refused, run):
    out = tmp_path / "x.json"
    code, _, _ = run("evaluate", trained, "--label", "x", "--out", out, "--part", "val",
                     *few)  # fmt: skip
    assert code == 0
    assert strict(out)["sequences"] == 12
    out.unlink()
    refused("--label z: no such label in", "evaluate", trained, "--label", "z")
    refused("--motif M1: give --motifs", "evaluate", trained, "--motif", "M1", *few)
    refused("give at least 20", "evaluate", trained, "--n", 5)


def test_other_data_than_those_of_the_run_are_refused(
    trained, data, tmp_path, fasta, random_texts, refused, run
):
    other = fasta(tmp_path / "x.fa", random_texts(40), "label=x act=1 split=train")
    refused("not the sequences of", "evaluate", trained, "--data", other)
    moved = tmp_path / "moved.fa"
    moved.write_bytes(data.read_bytes())
    assert run("profile", trained, "--by", "base", "--draws", 2, "--data", moved)[0] == 0


def test_profile_of_the_run_and_by_group(trained, tmp_path, run):
    code, told, _ = run("profile", trained)
    assert code == 0
    assert told.startswith("entropy")
    for by, names in (("base", list("ACGT")), ("position", [str(i) for i in range(LENGTH)])):
        out = tmp_path / f"{by}.json"
        code, told, _ = run("profile", trained, "--by", by, "--draws", 4, "--out", out)
        assert code == 0
        assert [line.split()[0] for line in told.splitlines()[2:-1]] == names
        profile = EntropyRateProfile.load(out)
        assert list(profile.groups) == names
        np.testing.assert_allclose(sum(profile.groups.values()), profile.rate, rtol=1e-9)
        picture = tmp_path / f"{by}.svg"
        command = ["profile", trained, "--by", by, "--draws", 2, "--out", picture]
        assert run(*command)[0] == 0
        assert "<svg" in picture.read_text()


def test_compare_shows_sequences(data, tmp_path, run, random_texts):
    out = tmp_path / "compare"
    code, told, _ = run("compare", data, "--out", out, "--strand", "both", "--steps", 2,
                        "--batch-size", 8, "--schedules", "edm,infonoise")  # fmt: skip
    assert code == 0
    assert "The best fixed law is edm" in told
    page = (out / "report.html").read_text()
    assert random_texts(120)[6] in page  # the first of the validation part
    assert len(re.findall(r"^(?:<figure><pre>)?[ACGT]{24}", page, re.MULTILINE)) == 36
    assert json.loads((out / "results.json").read_text())["versions"]["infonoise-bio"]


def test_baselines_are_measured_beside_chains(data, tmp_path, quick, refused, run):
    out = tmp_path / "baselines"
    command = ["baselines", data, "--out", out, "--label", "label", *quick[:4], "--batch-size", 8]
    code, told, _ = run(*command)
    assert code == 0
    found = strict(out / "baselines.json")
    assert {"masked", "autoregressive", "masked_stderr"} < found.keys()
    assert all(1 < value < 3 for name, value in found.items() if "stderr" not in name)
    assert "autoregressive" in told
    refused("finished run", *command)


# Designs from elsewhere


def written(path: Path, texts: list[str], label: str = "") -> Path:
    path.write_text("".join(f">d{i} {label}\n{t}\n" for i, t in enumerate(texts)))
    return path


def test_evaluate_of_designs_from_a_file_says_nothing_of_their_likelihood(
    trained, tmp_path, run, random_texts
):
    designs = written(tmp_path / "others.fa", random_texts(30, seed=5), "label=x")
    code, told, _ = run("evaluate", trained, "--designs", designs)
    assert code == 0
    assert "bits per base" not in told
    found = strict(trained / "evaluation-others.json")
    (trained / "evaluation-others.json").unlink()
    assert (found["designs"], found["sequences"]) == ("others.fa", 24)
    assert found["bits_per_base"] is None
    rows = {row["name"]: row for row in found["rows"]}
    assert {"GC", "6-mer Pearson", "discriminator AUC, CNN"} < rows.keys()
    assert not any(name.startswith("bits per base") for name in rows)
    # Of one class: twelve are held out.
    out = tmp_path / "x.json"
    assert run("evaluate", trained, "--designs", designs, "--label", "x", "--out", out)[0] == 0
    assert strict(out)["sequences"] == 12


def test_the_run_s_own_designs_from_a_file_measure_as_they_do_without_one(
    trained, tmp_path, run, random_texts
):
    """Held-out sequences as designs are the held-out sequences."""
    held_out = [t for i, t in enumerate(random_texts(120)) if i // 2 % 5 == 4]
    out, designs = tmp_path / "x.json", written(tmp_path / "same.fa", held_out)
    assert run("evaluate", trained, "--designs", designs, "--out", out)[0] == 0
    for row in strict(out)["rows"]:
        if row["held_out"] is not None:
            assert row["generated"] == pytest.approx(row["held_out"])
        if row["name"].endswith("Jensen-Shannon"):
            assert row["generated"] == pytest.approx(0, abs=1e-12)


def test_designs_that_cannot_be_measured_are_refused(trained, tmp_path, refused, random_texts):
    path, texts = tmp_path / "d.fa", random_texts(30)
    for content, label, match in (
        ([*texts, "ACGT"], "", "record 'd30' has 4 bases and those of"),
        (texts, "label=z", "record 'd0': label 'z' is not known; there are x, y"),
        (texts[:5], "", "5 sequences; give at least 20"),
        ([*texts[:3], "MEEP"], "", "record 'd3': 'E' at position 2"),
    ):
        written(path, content, label)
        refused(match, "evaluate", trained, "--designs", path, "--out", tmp_path / "x.json")
    written(path, texts, "label=y")
    refused("0 sequences of label x", "evaluate", trained, "--designs", path, "--label", "x")
    path.write_text("")
    refused("holds no sequence", "evaluate", trained, "--designs", path)
    assert not (tmp_path / "x.json").exists()
