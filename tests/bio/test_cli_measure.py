"""Commands that measure: score, evaluate, profile, compare, baselines."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from infonoise_core import EntropyRateProfile

LENGTH = 24

pytestmark = pytest.mark.usefixtures("hasty_judge")


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

    monkeypatch.setattr("infonoise_bio.evaluation.scores.score.Scorer.parts", never)
    refused("record 'r3' has 4 bases and", "score", trained, path, "--out", out)
    fasta(path, ["ACGT"])
    refused("has 4 bases and the model takes 24; give --window 24 --shorter pad", "score",
            trained, path, "--out", out)  # fmt: skip
    refused("label 'z' was not seen", "score", trained, path, "--out", out, "--label", "z")
    refused("no sequence is left", "score", trained, path, "--out", out, "--window", 24,
            "--shorter", "drop")  # fmt: skip
    assert not out.exists()


def tables_of(found: dict) -> dict[str, dict[str, dict]]:
    """Table -> row -> column -> number, of an evaluation.json."""
    return {
        table["name"]: {row["name"]: row["values"] for row in table["rows"]}
        for table in found["tables"]
    }


def test_evaluate_prints_tables_and_writes_json(trained, tmp_path, few, run, refused):
    out, motifs = tmp_path / "x.json", tmp_path / "box.jaspar"
    motifs.write_text(">M1 box\nA [0 9 0 9]\nC [0 0 0 0]\nG [0 0 9 0]\nT [9 0 0 0]\n")
    code, told, err = run("evaluate", trained, "--samples", 20, "--out", out,
                        "--motifs", motifs, "--motif", "M1@3-9", "--motif-rate", 0.01,
                        *few)  # fmt: skip
    assert code == 0
    for done in ("sample: 20/20 (100%)", "bits per base: 16/16 (100%)", "checks: "):
        assert done in err
    found = strict(out)
    assert (found["format"], found["program"]) == ("infonoise-evaluation", "infonoise-bio")
    assert found["data"]["name"].endswith("promoters.fa")
    assert found["about"] == {"solver": "heun", "steps": 3}
    assert [table["name"] for table in found["tables"]] == ["likelihood", "checks"]
    assert found["tables"][1]["settings"]["sequences"] == 20
    bits, rows = tables_of(found).values()
    assert {"M1 box hits", "M1 box at 3-9", "6-mer Pearson"} <= rows.keys()
    # A few steps change nothing: the network is still that of independent bases.
    likelihood = bits["bits per base"]
    assert likelihood["model"] == pytest.approx(likelihood["independent bases"], abs=0.1)
    assert 0 < found["tables"][0]["rows"][0]["stderr"]["model"] < 0.1
    assert min(likelihood["Markov"], likelihood["Markov by position"]) > 1.5
    assert rows["6-mer Pearson"]["held out"] is None
    for name in (*bits, *rows):
        assert name in told
    assert "prove nothing alone" in told
    refused("infonoise-bio report RUN --out page.html", "evaluate", trained, "--html", "page.html")


def test_motifs_that_do_not_fit_are_refused_before_anything_is_sampled(
    trained, tmp_path, monkeypatch, refused
):
    def never(*_: object, **__: object) -> None:
        pytest.fail("sampled")

    monkeypatch.setattr("infonoise_bio.evaluation.measures.generated_like", never)
    motifs = tmp_path / "box.jaspar"
    motifs.write_text(">M1 box\nA [0 9 0 9]\nC [0 0 0 0]\nG [0 0 9 0]\nT [9 0 0 0]\n")
    command = ["evaluate", trained, "--motifs", motifs, "--grid", "karras", "--churn", 0]
    refused("it begins at 0 to 20", *command, "--motif", "box@10-21")
    refused("did you mean box?", *command, "--motif", "BOX")
    motifs.write_text(">L1 long\n" + "\n".join(f"{b} [{' 5' * 25} ]" for b in "ACGT"))
    refused("has 25 bases, and the sequences 24", *command)


def test_the_page_about_a_run_shows_logos_and_what_was_evaluated(trained, tmp_path, few, run):
    page, found = tmp_path / "page.html", trained / "evaluation.json"
    assert run("evaluate", trained, "--samples", 20, *few)[0] == 0
    code, told, _ = run("report", trained, "--out", page, *few)
    found.unlink()
    assert (code, told) == (0, f"{page}: written\n")
    html = page.read_text()
    for words in (
        "Logo of the generated sequences.", "Counts of 6-mers", "GC content of a sequence.",
        "bits per base", "discriminator AUC, CNN", "prove nothing alone",
    ):  # fmt: skip
        assert words in html
    # Twelve sequences of each kind are shown.
    assert len(re.findall(r"^(?:<figure><pre>)?[ACGT]{24}", html, re.MULTILINE)) == 24
    assert "None" not in html
    # It opens offline: nothing is fetched.
    assert not re.findall(r'(?:src|href)="https?:', html)


@pytest.mark.parametrize(
    ("old", "new"), [("--n", "--samples"), ("--part", "--split"), ("--drop", "--cond-dropout")]
)
def test_options_have_their_old_names_for_one_version(
    trained, data, tmp_path, few, quick, run, old, new
):
    command = ["evaluate", trained, "--out", tmp_path / "x.json", *few]
    value = {"--n": 20, "--part": "val"}.get(old)
    if value is None:
        command, value = ["train", data, "--out", tmp_path / "run", *quick], 0.2
    code, _, err = run(*command, old, value)
    assert code == 0
    assert f"note: {old} is called {new} now" in err
    if old == "--drop":
        settings = json.loads((tmp_path / "run" / "config.json").read_text())
        assert settings["objective"]["cond_dropout"] == 0.2
    else:
        assert strict(tmp_path / "x.json")[new[2:]] == value


def test_twenty_sequences_are_enough_for_all_but_the_discriminators(
    tmp_path, fasta, random_texts, few, quick, run
):
    """Two are held out: what cannot be computed is left out, with its reason."""
    data, out = fasta(tmp_path / "x.fa", random_texts(20)), tmp_path / "run"
    assert run("train", data, "--out", out, *quick)[0] == 0
    code, _, err = run("evaluate", out, *few)
    assert code == 0
    found = strict(out / "evaluation.json")
    assert found["notes"] == [
        "discriminators are left out: they need 10 sequences of each kind, and there are 2"
    ]
    assert found["notes"][0] in err
    rows = tables_of(found)["checks"]
    assert {"GC", "6-mer Jensen-Shannon", "edit distance to training"} <= rows.keys()
    assert not any("discriminator" in name for name in rows)
    page = tmp_path / "page.html"
    assert run("report", out, "--out", page, *few)[0] == 0
    assert found["notes"][0] in page.read_text()


def test_samples_are_shown_during_training(trained):
    shown = sorted((trained / "samples").iterdir())
    assert [path.name for path in shown] == ["step-00000006.txt"]
    assert re.fullmatch(r"([ACGT]{24}\n){11}[ACGT]{24}", shown[0].read_text())


def test_evaluate_of_one_class(trained, tmp_path, few, refused, run):
    out = tmp_path / "x.json"
    code, _, _ = run("evaluate", trained, "--label", "x", "--out", out, "--split", "val",
                     *few)  # fmt: skip
    assert code == 0
    found = strict(out)
    assert found["tables"][1]["settings"]["sequences"] == 12
    assert (found["about"]["label"], found["split"]) == ("x", "val")
    out.unlink()
    refused("--label z: no such label in", "evaluate", trained, "--label", "z")
    refused("--motif M1: give --motifs", "evaluate", trained, "--motif", "M1", *few)
    refused("give at least 20", "evaluate", trained, "--samples", 5)


def test_other_data_than_those_of_the_run_are_refused(
    trained, data, tmp_path, fasta, random_texts, refused, run
):
    other = fasta(tmp_path / "x.fa", random_texts(40), "label=x act=1 split=train")
    refused("not the sequences of", "evaluate", trained, "--data", other)
    # As many of the same kind, one base changed: only the content says so.
    text = data.read_text()
    at = text.index("\n") + 1
    swapped = tmp_path / "swapped.fa"
    swapped.write_text(text[:at] + ("C" if text[at] == "A" else "A") + text[at + 1 :])
    refused("only as many of the same kind", "evaluate", trained, "--data", swapped)
    moved = tmp_path / "moved.fa"
    moved.write_bytes(data.read_bytes())
    assert run("profile", trained, "--by", "base", "--draws", 2, "--data", moved)[0] == 0


def test_profile_of_the_run_and_by_group(trained, tmp_path, run):
    code, told, _ = run("profile", trained)
    assert code == 0
    assert told.startswith("entropy")
    learned = told.split()[1]  # nats, by the losses of training
    for by, names in (("base", list("ACGT")), ("position", [str(i) for i in range(LENGTH)])):
        out = tmp_path / f"{by}.json"
        code, told, _ = run("profile", trained, "--by", by, "--draws", 4, "--out", out)
        assert code == 0
        assert told.splitlines()[1].startswith(f"training  {learned} nats by the losses")
        assert [line.split()[0] for line in told.splitlines()[3:-1]] == names
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
    assert "edm" in told
    assert "Markov by position" in told
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
    bits = {n: v for n, v in found.items() if not n.endswith(("_stderr", "_step"))}
    assert all(1 < value < 3 for value in bits.values())
    assert "autoregressive, best of validation" in told
    refused("finished run", *command)


def test_baselines_are_stopped_where_validation_is_best(tmp_path, run, random_texts, refused):
    """On few sequences of pure chance: the longer it is trained, the worse of others."""
    path, out = tmp_path / "few.fa", tmp_path / "out"
    parts = ["train"] * 12 + ["val"] * 40 + ["test"] * 40
    rows = zip(random_texts(len(parts), seed=8), parts, strict=True)
    path.write_text("".join(f">r{i} split={p}\n{t}\n" for i, (t, p) in enumerate(rows)))
    how = ["--strand", "forward", "--batch-size", 12, "--ema-decay", 0.5, "--lr-warmup", 5]
    how += ["--steps", 40, "--eval-every", 5, "--save-every", 5]
    assert run("baselines", path, "--out", out, *how)[0] == 0
    found = strict(out / "baselines.json")
    measured = bits_by_step(out / "autoregressive")
    step = found["autoregressive_step"]
    assert step == min(measured, key=measured.get) < 30
    assert found["autoregressive"] < found["autoregressive, at the end"]
    # The same with an end to patience, but for what comes after it.
    early = tmp_path / "early"
    assert run("baselines", path, "--out", early, *how, "--patience", 2)[0] == 0
    stopped = strict(early / "baselines.json")
    assert {k: v for k, v in stopped.items() if "end" not in k and "masked" not in k}.items() <= (
        found.items()
    )
    assert bits_by_step(early / "autoregressive") == {
        at: bits for at, bits in measured.items() if at <= step + 10
    }
    refused("needs evaluations on the way", "baselines", path, "--out", tmp_path / "x", *how,
            "--patience", 2, "--eval-every", 0)  # fmt: skip
    # What is sampled is what was chosen.
    designs = {}
    for name in ("chosen", "newest"):
        run("sample", out / "autoregressive", "--samples", 8, "--out", tmp_path / f"{name}.fa")
        designs[name] = (tmp_path / f"{name}.fa").read_text()
        (out / "baselines.json").unlink(missing_ok=True)
    assert designs["chosen"] != designs["newest"]


def bits_by_step(folder: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {at["step"]: at["evaluate"]["bits_per_base"] for at in lines if "evaluate" in at}


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
    assert not (trained / "evaluation.json").exists()
    found = strict(trained / "evaluation-others.json")
    (trained / "evaluation-others.json").unlink()
    assert found["about"] == {"designs": "others.fa"}
    ((name, rows),) = tables_of(found).items()
    assert name == "checks"
    assert found["tables"][0]["settings"]["sequences"] == 24
    assert {"GC", "6-mer Pearson", "discriminator AUC, CNN"} < rows.keys()
    assert not any(name.startswith("bits per base") for name in rows)
    # Of one class: twelve are held out.
    out = tmp_path / "x.json"
    assert run("evaluate", trained, "--designs", designs, "--label", "x", "--out", out)[0] == 0
    assert strict(out)["tables"][0]["settings"]["sequences"] == 12


def test_the_run_s_own_designs_from_a_file_measure_as_they_do_without_one(
    trained, tmp_path, run, random_texts
):
    """Held-out sequences as designs are the held-out sequences."""
    held_out = [t for i, t in enumerate(random_texts(120)) if i // 2 % 5 == 4]
    out, designs = tmp_path / "x.json", written(tmp_path / "same.fa", held_out)
    assert run("evaluate", trained, "--designs", designs, "--out", out)[0] == 0
    for name, row in tables_of(strict(out))["checks"].items():
        if row["held out"] is not None:
            assert row["generated"] == pytest.approx(row["held out"])
        if name.endswith("Jensen-Shannon"):
            assert row["generated"] == pytest.approx(0, abs=1e-12)


def test_designs_that_cannot_be_measured_are_refused(trained, tmp_path, refused, random_texts):
    path, texts = tmp_path / "d.fa", random_texts(30)
    for content, label, match in (
        ([*texts, "ACGT"], "", "record 'd30' has 4 bases and those of"),
        (texts, "label=z", "record 'd0': label 'z' is not known; there are x, y"),
        (texts[:5], "", "5 sequences; give at least 20"),
        ([*texts[:3], "MEEP"], "", "record 'd3': 'E' at position 1"),
    ):
        written(path, content, label)
        refused(match, "evaluate", trained, "--designs", path, "--out", tmp_path / "x.json")
    written(path, texts, "label=y")
    refused("0 sequences of label x", "evaluate", trained, "--designs", path, "--label", "x")
    path.write_text("")
    refused("holds no sequence", "evaluate", trained, "--designs", path)
    assert not (tmp_path / "x.json").exists()
