"""Bits per byte of a tokenizer that loses text are marked wherever they are printed."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from infonoise_text.data.corpus import Corpus
from infonoise_text.evaluation.ngram import NGram
from infonoise_text.evaluation.reference import byte_references, split_bytes

from .command_line import QUICK, STEPS, run

MARK = "not comparable: the tokenizer loses text"


@pytest.fixture(scope="module")
def lossy(tmp_path_factory: pytest.TempPathFactory, topics: list[str]) -> Path:
    """A prepared folder of a tokenizer that knows eight words."""
    library = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("lossy")
    words = ["[UNK]", "the", "of", "a", "is", "to", "in", "and"]
    made = library.Tokenizer(
        library.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = library.pre_tokenizers.Whitespace()
    made.save(str(folder / "tokenizer.json"))
    source = folder / "a.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in topics))
    from infonoise_text.cli import main

    argv = ["prepare", source, "--out", folder / "corpus", "--tokenizer", folder / "tokenizer.json"]
    assert main([str(a) for a in argv]) == 0
    return folder / "corpus"


def test_a_run_says_it_in_train_evaluate_and_push(
    lossy: Path, trained: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "run"
    code, printed, err = run(capsys, "train", lossy, "--out", out, *QUICK)
    assert code == 0, err
    assert f"bits per byte ({MARK})" in printed
    options = ("--samples", "0", "--windows", "4", *STEPS)
    code, printed, err = run(capsys, "evaluate", out, *options)
    assert code == 0, err
    assert MARK in printed
    (table,) = json.loads((out / "evaluation.json").read_text())["tables"]
    assert table["settings"]["lossy"] == Corpus.open(lossy).manifest.changed > 0
    # Every row: what is left of the text is paid for, per byte that there was.
    assert all(MARK in row["name"] for row in table["rows"])
    assert run(capsys, "push", out, tmp_path / "shared")[0] == 0
    assert MARK in (tmp_path / "shared" / "README.md").read_text()
    assert run(capsys, "push", trained, tmp_path / "plain")[0] == 0
    assert MARK not in (tmp_path / "plain" / "README.md").read_text()


def test_n_grams_are_divided_by_the_bytes_that_there_were(lossy: Path) -> None:
    """As the run's own measure is, so that the rows of one table have one denominator."""
    corpus = Corpus.open(lossy)
    train, rest = split_bytes(corpus, "train"), split_bytes(corpus, "test")
    there = corpus.manifest.splits["test"].bytes
    assert len(rest) != there
    model = NGram(train, 256, 2)
    bits = [float(model.nats(rest, order).sum()) / math.log(2) for order in (1, 2)]
    assert byte_references(corpus, "test", 2) == pytest.approx([b / there for b in bits])
