"""The command line: mistakes end in one line and leave nothing; presets; the pages' commands."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from infonoise_bio.interface import INTERFACE
from infonoise_bio.methods.recipe import model_config
from infonoise_bio.presets import TRAIN_PRESETS
from infonoise_bio.synthetic import demo_sequences
from infonoise_core.app.interface import commands
from infonoise_core.config.parse import parse_options

LENGTH = 24


def bad_files(
    folder: Path, random_texts: Callable[..., list[str]]
) -> list[tuple[Path, list[str], str]]:
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
        (folder / "protein.fa", [], "record 'kinase': 'E' at position 1"),
        (folder / "twice.fa", ["--window", "4"], "the id 'r3' was taken by number 4"),
        (folder / "short.fa", ["--window", "24"], "record 'tiny' has 4 bases, fewer than"),
        (folder / "unlabelled.fa", ["--label", "label"], "record 'last' has no field 'label'"),
        (folder / "few.fa", [], "too few to hold some out"),
        (cut, [], "after record 'r"),
        (gene, ["--feature", "promoter"], "record 'plasmid' has no feature 'promoter'"),
        (folder / "none.fa", [], "no such file"),
    ]


@pytest.mark.parametrize("command", ["train", "compare"])
def test_bad_files_leave_no_run(tmp_path, command, refused, random_texts):
    folder = tmp_path / "data"
    folder.mkdir()
    for path, options, match in bad_files(folder, random_texts):
        out = tmp_path / "out"
        refused(match, command, path, "--out", out, "--strand", "both", *options)
        assert not out.exists()


def test_bad_files_cost_no_earlier_run_nor_file(trained, tmp_path, refused, random_texts):
    folder, out = tmp_path / "data", tmp_path / "precious.fa"
    folder.mkdir()
    out.write_text("precious")
    before = sorted(path.name for path in trained.iterdir())
    for path, options, match in bad_files(folder, random_texts):
        command = ["train", path, "--out", trained, "--strand", "both", "--overwrite", *options]
        refused(match, *command)
        if path.name in ("empty.fa", "protein.fa", "cut.fa.gz", "none.fa"):
            if path.name != "cut.fa.gz":  # its first record has nothing that may change
                refused(match, "infill", trained, path, "--out", out, "--overwrite")
            refused(match, "score", trained, path, "--out", out, "--overwrite")
            refused(match, "evaluate", trained, "--designs", path, "--out", out, "--overwrite")
    refused("label 'K562' was not seen in training; there are x, y", "sample", trained,
            "--out", out, "--overwrite", "--label", "K562")  # fmt: skip
    assert out.read_text() == "precious"
    assert sorted(path.name for path in trained.iterdir()) == before


def test_bad_files_leave_no_scores(trained, tmp_path, refused, random_texts):
    out = tmp_path / "x.tsv"
    folder = tmp_path / "data"
    folder.mkdir()
    for path, options, match in bad_files(folder, random_texts):
        if path.name in ("empty.fa", "protein.fa", "cut.fa.gz", "gene.gb", "none.fa"):
            refused(match, "score", trained, path, "--out", out, *options)
        assert not out.exists()


def test_what_is_no_run_is_told(tmp_path, refused):
    nowhere = tmp_path / "nowhere"
    for command in (
        ["sample", nowhere, "--out", tmp_path / "x.fa"],
        ["evaluate", nowhere],
        ["profile", nowhere, "--by", "base"],
    ):
        refused("no run here", *command)


def test_presets_are_whole_and_shown(run):
    code, told, _ = run("presets")
    assert code == 0
    assert "laptop-peaks" in told
    published = TRAIN_PRESETS["dna-diffusion"]()
    assert model_config(published.options.objective, demo_sequences(20)).network.width == 640
    assert (published.options.examples.windowing.window, published.train.batch_size) == (200, 960)


def test_planted_data_need_no_file(tmp_path, quick, refused):
    refused("takes no options of reading", "train", "planted", "--out", tmp_path / "x",
            "--label", "kind", *quick)  # fmt: skip
    refused("--strand", "train", "planted", "--out", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_the_commands_of_readme_and_guide_are_understood():
    root = Path(__file__).parents[2]
    pages = (root / "packages/infonoise-bio/README.md", root / "docs/dna.md")
    text = "".join(page.read_text() for page in pages)
    lines = re.findall(r"^    infonoise-bio (\w+) (.*)$", text, re.MULTILINE)
    kinds = commands(INTERFACE)
    assert {"train", "sample", "infill", "evaluate", "extract"} <= {verb for verb, _ in lines}
    for verb, options in lines:
        # What is wrong in them would be an InputError.
        assert parse_options(kinds[verb][0], verb, options.split(), TRAIN_PRESETS) is not None
