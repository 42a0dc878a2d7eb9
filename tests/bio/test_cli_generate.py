"""From FASTA to FASTA by command: train, sample, infill."""

import json
from pathlib import Path

import numpy as np
import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

LENGTH = 24

pytestmark = pytest.mark.usefixtures("hasty_judge")


def records(path: Path) -> list[SeqRecord]:
    with path.open() as handle:
        return list(SeqIO.parse(handle, "fasta"))


def test_train_leaves_a_run_that_goes_on_and_is_not_replaced(trained, data, quick, refused, run):
    assert {path.name for path in trained.iterdir()} >= {
        "config.json", "config.yaml", "checkpoints", "metrics.jsonl", "profile.json", "done.json",
    }  # fmt: skip
    settings = json.loads((trained / "config.json").read_text())
    assert settings["model"]["conditions"]["classes"] == ["x", "y"]
    assert settings["sequences"]["train"] == 72
    command = ["train", data, "--out", trained, "--label", "label", "--numbers", "act",
               "--infill", 0.5, *quick]  # fmt: skip
    refused("finished run", *command)
    # Without its last word it is a run that was cut short: the same settings are found in it.
    (trained / "done.json").unlink()
    assert run(*command)[0] == 0
    assert (trained / "done.json").exists()


def test_sample_writes_fasta_that_says_what_was_asked_for(trained, tmp_path, few, run):
    out = tmp_path / "new" / "designs.fa"
    ask = [
        "--samples",
        5,
        "--label",
        "y",
        "--activity",
        "act=1.5",
        "--guidance",
        2,
        "--chunk",
        2,
        *few,
    ]
    code, told, _ = run("sample", trained, "--out", out, *ask)
    assert (code, told) == (0, f"{out}: 5 sequences of 24 bases\n")
    found = records(out)
    assert [r.id for r in found] == [f"design_{i}" for i in range(1, 6)]
    assert found[0].description == "design_1 label=y act=1.5"
    assert all(len(r) == LENGTH and set(str(r.seq)) <= set("ACGT") for r in found)
    again = tmp_path / "again.fa"
    run("sample", trained, "--out", again, *ask)
    assert again.read_bytes() == out.read_bytes()
    other = ["--samples", 5, "--seed", 1, "--prefix", "other", "--steps", 3]
    assert run("sample", trained, "--out", again, *other, "--overwrite")[0] == 0
    assert records(again)[0].id == "other_1"


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (["--label", "K562"], "label 'K562' was not seen in training; there are x, y"),
        (["--activity", "dev=1"], "activity 'dev' was not seen in training; there are act"),
        (["--activity", "act"], "give a name and a number"),
        (["--activity", "act=nan"], "give a name and a number"),
        (["--activity", "act=1", "--activity", "act=2"], "--activity act=2: give each name once"),
        (["--samples", "0"], "--samples 0"),
        (["--guidance", "2"], "without a condition"),
        (["--prefix", "a b"], "--prefix"),
        (["--grid", "linear"], "--grid linear"),
    ],
)
def test_what_cannot_be_sampled_leaves_no_file(trained, tmp_path, ask, match, refused):
    refused(match, "sample", trained, "--out", tmp_path / "x.fa", *ask)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_replaced(trained, tmp_path, fasta, random_texts, refused):
    out = tmp_path / "x.fa"
    out.write_text("precious")
    table = fasta(tmp_path / "in.fa", random_texts(2))
    for command in (
        ["sample", trained],
        ["infill", trained, table],
        ["score", trained, table],
        ["evaluate", trained],
        ["profile", trained, "--by", "base"],
    ):
        refused("exists", *command, "--out", out)
    assert out.read_text() == "precious"


def test_infill_keeps_what_is_not_marked(trained, tmp_path, fasta, few, random_texts, run):
    out, texts = tmp_path / "x.fa", random_texts(3)
    by_n = [text[:5] + "N" * 9 + text[14:] for text in texts]
    by_case = [text[:5] + text[5:14].lower() + text[14:] for text in texts]
    for change, templates in (("n", by_n), ("lower", by_case)):
        path = fasta(tmp_path / "templates.fa", templates)
        code, told, _ = run("infill", trained, path, "--out", out, "--change", change,
                            "--each", 2, "--overwrite", *few)  # fmt: skip
        assert (code, told) == (0, f"{out}: 6 sequences, 38% of their bases designed\n")
        found = records(out)
        assert [r.id for r in found] == ["r0_1", "r0_2", "r1_1", "r1_2", "r2_1", "r2_2"]
        for i, record in enumerate(found):
            new, old = str(record.seq), texts[i // 2]
            assert set(new) <= set("ACGT")
            assert (new[:5], new[14:]) == (old[:5], old[14:])
        assert str(found[0].seq) != str(found[1].seq)


def test_infill_by_genbank_feature(trained, tmp_path, few, random_texts, refused, run):
    text, path, out = random_texts(1)[0], tmp_path / "x.gb", tmp_path / "x.fa"
    record = SeqRecord(Seq(text), id="plasmid", annotations={"molecule_type": "DNA"})
    record.features.append(SeqFeature(SimpleLocation(3, 9, strand=-1), type="spacer"))
    SeqIO.write([record], path, "genbank")
    command = ["infill", trained, path, "--out", out, "--change", "feature", *few]
    assert run(*command, "--feature", "spacer")[0] == 0
    (found,) = records(out)
    assert (str(found.seq)[:3], str(found.seq)[9:]) == (text[:3], text[9:])
    out.unlink()
    refused("record 'plasmid' has no feature 'CDS'", *command,
            "--feature", "CDS")  # fmt: skip
    refused("--feature", *command)
    assert not out.exists()


def test_templates_that_cannot_be_completed(trained, tmp_path, fasta, few, random_texts, refused):
    text, out = random_texts(1)[0], tmp_path / "x.fa"
    for templates, match in (
        ([text], "record 'r0': nothing in it may change"),
        (["N" * 9], "record 'r0' has 9 bases and the model takes 24"),
    ):
        path = fasta(tmp_path / "t.fa", templates)
        refused(match, "infill", trained, path, "--out", out, *few)
    path.write_text(f">a\n{'N' * 24}\n>a\n{'N' * 24}\n")
    refused("record 'a': the id is taken twice", "infill", trained, path, "--out", out)
    assert not out.exists()


# Labels, and the models of `baselines`


@pytest.mark.parametrize("kind", ["masked", "autoregressive"])
def test_sample_takes_the_baselines(baselines, tmp_path, run, refused, kind):
    out = tmp_path / "x.fa"
    ask = ["sample", baselines / kind, "--out", out, "--overwrite"]
    code, told, _ = run(*ask, "--samples", 5, "--label", "y", "--chunk", 2, "--steps", LENGTH)
    assert (code, told) == (0, f"{out}: 5 sequences of 24 bases\n")
    found = records(out)
    assert found[0].description == "design_1 label=y"
    assert all(len(r) == LENGTH and set(str(r.seq)) <= set("ACGT") for r in found)
    first = out.read_bytes()
    # More calls than bases are as many as bases.
    assert run(*ask, "--samples", 5, "--label", "y", "--chunk", 2, "--steps", 99)[0] == 0
    assert out.read_bytes() == first
    refused("label 'z' was not seen in training; there are x, y", *ask, "--label", "z")
    refused("--guidance 2: a baseline has none", *ask, "--label", "x", "--guidance", 2)
    assert out.read_bytes() == first


def test_sample_asks_which_baseline_and_evaluate_takes_their_designs(
    baselines, trained, tmp_path, run, refused
):
    refused("holds several models: give", "sample", baselines, "--out", tmp_path / "x.fa")
    designs = tmp_path / "x.fa"
    run("sample", baselines / "masked", "--samples", 24, "--out", designs)
    assert run("evaluate", trained, "--designs", designs, "--out", tmp_path / "x.json")[0] == 0
    # The other commands want a diffusion run.
    refused("no run here", "evaluate", baselines / "masked")


@pytest.fixture(scope="module")
def two_kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class x is rich in A, class y in T."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("kinds") / "kinds.fa"
    shares = {"x": [0.7, 0.1, 0.1, 0.1], "y": [0.1, 0.1, 0.1, 0.7]}
    with path.open("w") as handle:
        for i in range(400):
            name = "xy"[i % 2]
            part = ("train", "train", "train", "train", "val")[i // 2 % 5]
            text = "".join(rng.choice(list("ACGT"), 16, p=shares[name]))
            handle.write(f">r{i} kind={name} split={part}\n{text}\n")
    return path


@pytest.mark.parametrize("verb", ["train", "baselines"])
def test_a_label_asked_for_is_what_comes_out(two_kinds, tmp_path, run, verb):
    """From the header of the training file to the bases of the designs."""
    out = tmp_path / "out"
    how = [
        "--label",
        "kind",
        "--strand",
        "forward",
        "--steps",
        30,
        "--batch-size",
        32,
        "--lr",
        0.005,
    ]
    assert run(verb, two_kinds, "--out", out, *how, "--eval-every", 0, "--ema", 0.01)[0] == 0
    runs = [out] if verb == "train" else [out / "masked", out / "autoregressive"]
    for model in runs:
        share = {}
        for label in ("x", "y"):
            path = tmp_path / f"{label}.fa"
            ask = ["--samples", 50, "--label", label, "--steps", 16, "--overwrite"]
            assert run("sample", model, "--out", path, *ask)[0] == 0
            bases = "".join(str(r.seq) for r in records(path))
            share[label] = (bases.count("A") / len(bases), bases.count("T") / len(bases))
        # 0.7 and 0.1 in the data; without the label both would be at 0.4. 800 bases: five standard
        # errors are 0.08.
        for ours, other in (share["x"], share["y"][::-1]):
            assert ours > 0.5
            assert other < 0.25


def test_labels_with_spaces_survive_from_the_table_to_the_evaluation(tmp_path, run, refused, few):
    """One escape, written by sample and read by all."""
    rng, rows = np.random.default_rng(0), ["id,sequence,label,my=act"]
    names = ("B cell, naive", 'the "T=cell"')
    for i in range(120):
        name = '"' + names[i % 2].replace('"', '""') + '"'
        rows.append(f"r{i},{''.join(rng.choice(list('ACGT'), 16))},{name},{i / 100}")
    table, out = tmp_path / "x.csv", tmp_path / "run"
    table.write_text("\n".join(rows) + "\n")
    how = ["--label", "label", "--numbers", "my=act", "--test", 0.25, "--strand", "forward"]
    assert run("train", table, "--out", out, *how, "--steps", 2, "--batch-size", 8)[0] == 0
    for name in names:
        designs = tmp_path / "designs.fa"
        ask = ["--samples", 24, "--label", name, "--activity", "my=act=0.5", *few, "--churn", 0]
        code, _, err = run("sample", out, "--out", designs, "--overwrite", *ask)
        assert (code, err.count("error")) == (0, 0), err
        assert run("inspect", designs, "--label", "label")[1].count(f"label {name}") == 1
        command = ["evaluate", out, "--designs", designs, "--label", name, "--overwrite"]
        assert run(*command, "--out", tmp_path / "x.json")[0] == 0
    refused("FASTA is written, and .csv is not its", "sample", out, "--out", tmp_path / "x.csv",
            "--overwrite")  # fmt: skip
