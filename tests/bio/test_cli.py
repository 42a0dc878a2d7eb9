"""The command line from FASTA to FASTA, and mistakes that end in one line and leave nothing."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from infonoise_bio.alphabet import letters_of
from infonoise_bio.cli import COMMANDS, main
from infonoise_bio.presets import TRAIN_PRESETS
from infonoise_core import EntropyRateProfile
from infonoise_core.training.options import parse_options

LENGTH = 24
QUICK = ["--strand", "forward", "--updates", "6", "--batch", "8", "--save-every", "3"]
FEW = ["--steps", "3", "--grid", "karras"]


def random_texts(n: int, length: int = LENGTH, seed: int = 0) -> list[str]:
    return letters_of(np.random.default_rng(seed).integers(0, 4, (n, length)).astype(np.uint8))


def fasta(path: Path, texts: list[str], header: str = "") -> Path:
    path.write_text("".join(f">r{i} {header}\n{t}\n" for i, t in enumerate(texts)))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes and a number; a fifth each for validation and test, by the file's own word."""
    path = tmp_path_factory.mktemp("data") / "promoters.fa"
    parts = ("train", "train", "train", "val", "test")
    lines = [
        f">p{i} label={'xy'[i % 2]} act={i / 50} split={parts[i // 2 % 5]}\n{text}\n"
        for i, text in enumerate(random_texts(120))
    ]
    path.write_text("".join(lines))
    return path


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    how = ["--label", "label", "--numbers", "act", "--infill", "0.5"]
    assert main(["train", str(data), "--out", str(out), *how, *QUICK]) == 0
    return out


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def refused(capsys: pytest.CaptureFixture[str], match: str, *arguments: object) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert match in err


def records(path: Path) -> list[SeqRecord]:
    with path.open() as handle:
        return list(SeqIO.parse(handle, "fasta"))


# The whole path


def test_train_leaves_a_run_that_goes_on_and_is_not_replaced(trained, data, capsys):
    assert {path.name for path in trained.iterdir()} >= {
        "config.json", "config.yaml", "checkpoints", "metrics.jsonl", "profile.json", "done.json",
    }  # fmt: skip
    settings = json.loads((trained / "config.json").read_text())
    assert settings["model"]["conditions"]["classes"] == ["x", "y"]
    assert settings["sequences"]["train"] == 72
    command = ["train", data, "--out", trained, "--label", "label", "--numbers", "act",
               "--infill", 0.5, *QUICK]  # fmt: skip
    refused(capsys, "finished run", *command)
    # Without its last word it is a run that was cut short: the same settings are found in it.
    (trained / "done.json").unlink()
    assert run(capsys, *command)[0] == 0
    assert (trained / "done.json").exists()


def test_sample_writes_fasta_that_says_what_was_asked_for(trained, tmp_path, capsys):
    out = tmp_path / "new" / "designs.fa"
    ask = ["--n", 5, "--label", "y", "--activity", "act=1.5", "--guidance", 2, "--chunk", 2, *FEW]
    code, told, _ = run(capsys, "sample", trained, "--out", out, *ask)
    assert (code, told) == (0, f"{out}: 5 sequences of 24 bases\n")
    found = records(out)
    assert [r.id for r in found] == [f"design_{i}" for i in range(1, 6)]
    assert found[0].description == "design_1 label=y act=1.5"
    assert all(len(r) == LENGTH and set(str(r.seq)) <= set("ACGT") for r in found)
    again = tmp_path / "again.fa"
    run(capsys, "sample", trained, "--out", again, *ask)
    assert again.read_bytes() == out.read_bytes()
    other = ["--n", 5, "--seed", 1, "--prefix", "other", "--steps", 3]
    assert run(capsys, "sample", trained, "--out", again, *other, "--overwrite")[0] == 0
    assert records(again)[0].id == "other_1"


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (["--label", "K562"], "label 'K562' was not seen in training; there are x, y"),
        (["--activity", "dev=1"], "activity 'dev' was not seen in training; there are act"),
        (["--activity", "act"], "give a name and a number"),
        (["--n", "0"], "--n 0"),
        (["--guidance", "2"], "without a condition"),
        (["--prefix", "a b"], "--prefix"),
        (["--grid", "linear"], "--grid linear"),
    ],
)
def test_what_cannot_be_sampled_leaves_no_file(trained, tmp_path, capsys, ask, match):
    refused(capsys, match, "sample", trained, "--out", tmp_path / "x.fa", *ask)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_replaced(trained, tmp_path, capsys):
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
        refused(capsys, "exists", *command, "--out", out)
    assert out.read_text() == "precious"


def test_infill_keeps_what_is_not_marked(trained, tmp_path, capsys):
    out, texts = tmp_path / "x.fa", random_texts(3)
    by_n = [text[:5] + "N" * 9 + text[14:] for text in texts]
    by_case = [text[:5] + text[5:14].lower() + text[14:] for text in texts]
    for change, templates in (("n", by_n), ("lower", by_case)):
        path = fasta(tmp_path / "templates.fa", templates)
        code, told, _ = run(capsys, "infill", trained, path, "--out", out, "--change", change,
                            "--each", 2, "--overwrite", *FEW)  # fmt: skip
        assert (code, told) == (0, f"{out}: 6 sequences, 38% of their bases designed\n")
        found = records(out)
        assert [r.id for r in found] == ["r0_1", "r0_2", "r1_1", "r1_2", "r2_1", "r2_2"]
        for i, record in enumerate(found):
            new, old = str(record.seq), texts[i // 2]
            assert set(new) <= set("ACGT")
            assert (new[:5], new[14:]) == (old[:5], old[14:])
        assert str(found[0].seq) != str(found[1].seq)


def test_infill_by_genbank_feature(trained, tmp_path, capsys):
    text, path, out = random_texts(1)[0], tmp_path / "x.gb", tmp_path / "x.fa"
    record = SeqRecord(Seq(text), id="plasmid", annotations={"molecule_type": "DNA"})
    record.features.append(SeqFeature(SimpleLocation(3, 9, strand=-1), type="spacer"))
    SeqIO.write([record], path, "genbank")
    command = ["infill", trained, path, "--out", out, "--change", "feature", *FEW]
    assert run(capsys, *command, "--feature", "spacer")[0] == 0
    (found,) = records(out)
    assert (str(found.seq)[:3], str(found.seq)[9:]) == (text[:3], text[9:])
    out.unlink()
    refused(capsys, "record 'plasmid' has no feature 'CDS'", *command,
            "--feature", "CDS")  # fmt: skip
    refused(capsys, "--feature", *command)
    assert not out.exists()


def test_templates_that_cannot_be_completed(trained, tmp_path, capsys):
    text, out = random_texts(1)[0], tmp_path / "x.fa"
    for templates, match in (
        ([text], "record 'r0': nothing in it may change"),
        (["N" * 9], "record 'r0' has 9 bases and the model takes 24"),
    ):
        path = fasta(tmp_path / "t.fa", templates)
        refused(capsys, match, "infill", trained, path, "--out", out, *FEW)
    path.write_text(f">a\n{'N' * 24}\n>a\n{'N' * 24}\n")
    refused(capsys, "record 'a': the id is taken twice", "infill", trained, path, "--out", out)
    assert not out.exists()


def test_score_writes_a_row_for_each_record_in_order(trained, tmp_path, capsys):
    path = fasta(tmp_path / "in.fa", random_texts(7))
    out, alone = tmp_path / "scores.tsv", tmp_path / "alone.tsv"
    how = ["--levels", 8, "--chunk", 3, "--label", "x"]
    code, told, _ = run(capsys, "score", trained, path, "--out", out, *how)
    assert code == 0
    assert told.startswith(f"{out}: 7 scores\n")
    header, *rows = (line.split("\t") for line in out.read_text().splitlines())
    assert header == ["id", "bases", "nats", "bits_per_base", "stderr"]
    assert [row[0] for row in rows] == [f"r{i}" for i in range(7)]
    assert all(row[1] == "24" and 1 < float(row[3]) < 3 for row in rows)
    # A score does not depend on what else is in the file.
    fasta(path, random_texts(7)[:1])
    assert run(capsys, "score", trained, path, "--out", alone, *how)[0] == 0
    assert alone.read_text().splitlines()[1] == out.read_text().splitlines()[1]


def test_a_mistake_at_the_end_of_a_file_is_told_before_anything_is_scored(
    trained, tmp_path, capsys, monkeypatch
):
    path, out = fasta(tmp_path / "in.fa", [*random_texts(3), "ACGT"]), tmp_path / "x.tsv"

    def never(*_: object) -> None:
        pytest.fail("scored")

    monkeypatch.setattr("infonoise_bio.score.Scorer.parts", never)
    refused(capsys, "record 'r3' has 4 bases and", "score", trained, path, "--out", out)
    fasta(path, ["ACGT"])
    refused(capsys, "has 4 bases and the model takes 24; give --window 24", "score", trained, path,
            "--out", out)  # fmt: skip
    refused(capsys, "label 'z' was not seen", "score", trained, path, "--out", out, "--label", "z")
    refused(capsys, "no sequence is left", "score", trained, path, "--out", out, "--window", 24,
            "--shorter", "drop")  # fmt: skip
    assert not out.exists()


def strict(path: Path) -> dict:
    """JSON as the standard has it, without NaN."""

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_evaluate_prints_a_table_and_writes_json_and_a_page(trained, tmp_path, capsys):
    out, page, motifs = (tmp_path / name for name in ("x.json", "page.html", "box.jaspar"))
    motifs.write_text(">M1 box\nA [0 9 0 9]\nC [0 0 0 0]\nG [0 0 9 0]\nT [9 0 0 0]\n")
    code, told, _ = run(capsys, "evaluate", trained, "--n", 20, "--out", out, "--html", page,
                        "--motifs", motifs, "--motif", "M1@3-9", "--motif-rate", 0.01,
                        *FEW)  # fmt: skip
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


def test_evaluate_of_one_class(trained, tmp_path, capsys):
    out = tmp_path / "x.json"
    code, _, _ = run(capsys, "evaluate", trained, "--label", "x", "--out", out, "--part", "val",
                     *FEW)  # fmt: skip
    assert code == 0
    assert strict(out)["sequences"] == 12
    out.unlink()
    refused(capsys, "--label z: no such label in", "evaluate", trained, "--label", "z")
    refused(capsys, "--motif M1: give --motifs", "evaluate", trained, "--motif", "M1", *FEW)
    refused(capsys, "give at least 20", "evaluate", trained, "--n", 5)


def test_other_data_than_those_of_the_run_are_refused(trained, data, tmp_path, capsys):
    other = fasta(tmp_path / "x.fa", random_texts(40), "label=x act=1 split=train")
    refused(capsys, "not the sequences of", "evaluate", trained, "--data", other)
    moved = tmp_path / "moved.fa"
    moved.write_bytes(data.read_bytes())
    assert run(capsys, "profile", trained, "--by", "base", "--draws", 2, "--data", moved)[0] == 0


def test_profile_of_the_run_and_by_group(trained, tmp_path, capsys):
    code, told, _ = run(capsys, "profile", trained)
    assert code == 0
    assert told.startswith("entropy")
    for by, names in (("base", list("ACGT")), ("position", [str(i) for i in range(LENGTH)])):
        out = tmp_path / f"{by}.json"
        code, told, _ = run(capsys, "profile", trained, "--by", by, "--draws", 4, "--out", out)
        assert code == 0
        assert [line.split()[0] for line in told.splitlines()[2:-1]] == names
        profile = EntropyRateProfile.load(out)
        assert list(profile.groups) == names
        np.testing.assert_allclose(sum(profile.groups.values()), profile.rate, rtol=1e-9)
        picture = tmp_path / f"{by}.svg"
        command = ["profile", trained, "--by", by, "--draws", 2, "--out", picture]
        assert run(capsys, *command)[0] == 0
        assert "<svg" in picture.read_text()


def test_compare_shows_sequences(data, tmp_path, capsys):
    out = tmp_path / "compare"
    code, told, _ = run(capsys, "compare", data, "--out", out, "--strand", "both", "--updates", 2,
                        "--batch", 8, "--schedules", "edm,infonoise")  # fmt: skip
    assert code == 0
    assert "The best fixed law is edm" in told
    page = (out / "report.html").read_text()
    first = records(data)[6]
    assert str(first.seq) in page  # the first of the validation part
    assert len(re.findall(r"^(?:<figure><pre>)?[ACGT]{24}", page, re.MULTILINE)) == 36
    assert json.loads((out / "results.json").read_text())["versions"]["infonoise-bio"]


def test_baselines_are_measured_beside_chains(data, tmp_path, capsys):
    out = tmp_path / "baselines"
    command = ["baselines", data, "--out", out, "--label", "label", *QUICK[:4], "--batch", 8]
    code, told, _ = run(capsys, *command)
    assert code == 0
    found = strict(out / "baselines.json")
    assert {"masked", "autoregressive", "masked_stderr"} < found.keys()
    assert all(1 < value < 3 for name, value in found.items() if "stderr" not in name)
    assert "autoregressive" in told
    refused(capsys, "finished run", *command)


# Presets and made-up data


def test_presets_are_whole_and_shown(capsys):
    code, told, _ = run(capsys, "presets")
    assert code == 0
    assert "laptop-peaks" in told
    published = TRAIN_PRESETS["dna-diffusion"]()
    assert published.objective.model(_two_classes()).network.width == 640
    assert (published.examples.windowing.window, published.train.batch) == (200, 960)


def _two_classes():
    from infonoise_bio.planted import demo_sequences

    return demo_sequences(20)


def test_planted_data_need_no_file(tmp_path, capsys):
    refused(capsys, "takes no options of reading", "train", "planted", "--out", tmp_path / "x",
            "--label", "kind", *QUICK)  # fmt: skip
    refused(capsys, "--strand", "train", "planted", "--out", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_the_commands_of_readme_and_guide_are_understood():
    root = Path(__file__).parents[2]
    pages = (root / "packages/infonoise-bio/README.md", root / "docs/dna.md")
    text = "".join(page.read_text() for page in pages)
    lines = re.findall(r"^    infonoise-bio (\w+) (.*)$", text, re.MULTILINE)
    assert {"train", "sample", "infill", "evaluate", "extract"} <= {verb for verb, _ in lines}
    for verb, options in lines:
        # What is wrong in them would be an InputError.
        assert parse_options(COMMANDS[verb][0], verb, options.split(), TRAIN_PRESETS) is not None


# Bad input, by the commands that read files


def bad_files(folder: Path) -> list[tuple[Path, list[str], str]]:
    """File, options, and what the error says."""
    good = "".join(f">r{i} label=x\n{t}\n" for i, t in enumerate(random_texts(30)))
    texts = {
        "empty.fa": "",
        "protein.fa": ">kinase\nMEEPQSDPSV\n",
        "twice.fa": good + ">r3 label=x\nACGT\n",
        "short.fa": good + ">tiny label=x\nACGT\n",
        "unlabelled.fa": good + ">last\n" + "A" * LENGTH + "\n",
        "few.fa": f">only\n{'ACGT' * 6}\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    cut = folder / "cut.fa.gz"
    cut.write_bytes(gzip.compress(good.encode())[:-9])
    gene = folder / "gene.gb"
    record = SeqRecord(Seq("ACGT" * 20), id="plasmid", annotations={"molecule_type": "DNA"})
    record.features.append(SeqFeature(SimpleLocation(3, 9), type="gene"))
    SeqIO.write([record], gene, "genbank")
    return [
        (folder / "empty.fa", [], "empty.fa: holds no sequence"),
        (folder / "protein.fa", [], "record 'kinase': 'E' at position 2"),
        (folder / "twice.fa", ["--window", "4"], "the id 'r3' was taken by number 4"),
        (folder / "short.fa", ["--window", "24"], "record 'tiny' has 4 bases, fewer than"),
        (folder / "unlabelled.fa", ["--label", "label"], "record 'last' has no field 'label'"),
        (folder / "few.fa", [], "too few to hold some out"),
        (cut, [], "after record 'r"),
        (gene, ["--feature", "promoter"], "record 'plasmid' has no feature 'promoter'"),
        (folder / "none.fa", [], "no such file"),
    ]


@pytest.mark.parametrize("command", ["train", "compare"])
def test_bad_files_leave_no_run(tmp_path, capsys, command):
    folder = tmp_path / "data"
    folder.mkdir()
    for path, options, match in bad_files(folder):
        out = tmp_path / "out"
        refused(capsys, match, command, path, "--out", out, "--strand", "both", *options)
        assert not out.exists()


def test_bad_files_leave_no_scores(trained, tmp_path, capsys):
    out = tmp_path / "x.tsv"
    folder = tmp_path / "data"
    folder.mkdir()
    for path, options, match in bad_files(folder):
        if path.name in ("empty.fa", "protein.fa", "cut.fa.gz", "gene.gb", "none.fa"):
            refused(capsys, match, "score", trained, path, "--out", out, *options)
        assert not out.exists()


def test_what_is_no_run_is_told(tmp_path, capsys):
    nowhere = tmp_path / "nowhere"
    for command in (
        ["sample", nowhere, "--out", tmp_path / "x.fa"],
        ["evaluate", nowhere],
        ["profile", nowhere, "--by", "base"],
    ):
        refused(capsys, "no run here", *command)
