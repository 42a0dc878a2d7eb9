"""The published corpora end to end: small local data of the same form in their place."""

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .command_line import run

TINY = ("--network", "linear-patch", "--length", "16", "--batch-size", "4", "--steps", "2",
        "--save-every", "2", "--lr-warmup", "0", "--precision", "fp32")  # fmt: skip


# So few that no profile is asked for.
CALLS = ("--steps", "2", "--grid", "karras")


def words(n: int, seed: int) -> str:
    """Words of different frequencies, with spaces between them."""
    rng = np.random.default_rng(seed)
    kinds = ["".join(rng.choice(list("abcdefg"), rng.integers(2, 6))) for _ in range(30)]
    share = 1 / np.arange(1, 31)
    return " ".join(rng.choice(kinds, n, p=share / share.sum()))


@pytest.fixture(scope="module")
def subwords(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer in the place of GPT-2's."""
    from tokenizers import ByteLevelBPETokenizer

    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([words(2000, 0)], 300, special_tokens=["<|endoftext|>"])
    tokenizer.save(str(path))
    return path


def prepared(capsys: Any, out: Path, *arguments: object) -> dict[str, Any]:
    code, _, err = run(capsys, "prepare", *arguments, "--out", out)
    assert code == 0, err
    manifest: dict[str, Any] = json.loads((out / "corpus.json").read_text())
    return manifest


def trained(capsys: Any, corpus: Path, preset: str, *changes: object) -> None:
    """A run of that preset in small samples, is evaluated and generates text."""
    out = corpus.parent / "run"
    code, _, err = run(capsys, "train", corpus, "--out", out, "--preset", preset, *TINY, *changes)
    assert code == 0, err
    code, text, err = run(capsys, "sample", out, "--samples", "1", *CALLS)
    assert code == 0, err
    assert text
    code, text, err = run(
        capsys, "evaluate", out, "--windows", "2", "--samples", "2", *CALLS, "--churns", "0.0",
    )  # fmt: skip
    assert code == 0, err
    assert "bits per byte" in text


def test_text8_by_character(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    """The file as it is fetched: one line of a to z and spaces, and no name that says text."""
    monkeypatch.chdir(tmp_path)
    content = string.ascii_lowercase + " " + words(3000, 1)
    Path("text8").write_text(content)
    corpus = tmp_path / "corpus"
    manifest = prepared(capsys, corpus, "--preset", "text8")
    assert manifest["tokenizer"]["size"] == 27 + 2
    sizes = [manifest["splits"][split]["bytes"] for split in ("train", "valid", "test")]
    assert sum(sizes) == len(content)
    # Nine tenths, a twentieth and a twentieth, as in what is published.
    assert sizes[1:] == pytest.approx([len(content) / 20] * 2, abs=1)
    trained(capsys, corpus, "cobit-s-text8")


def test_articles_of_wikitext(tmp_path: Path, subwords: Path, capsys: Any) -> None:
    """Files of the names they have, tokens with spaces between them."""
    folder = tmp_path / "wikitext-103"
    folder.mkdir()
    for number, (split, articles) in enumerate((("train", 6), ("valid", 2), ("test", 2))):
        parts = [f" = {split} {i} = \n \n {words(600, 10 * number + i)} , it @-@ was . \n"
                 for i in range(articles)]  # fmt: skip
        (folder / f"wiki.{split}.tokens").write_text("".join(parts))
    corpus = tmp_path / "corpus"
    own = ("--tokenizer", subwords, "--pair-bits", "9")
    manifest = prepared(capsys, corpus, folder, "--preset", "wikitext103", *own)
    splits = manifest["splits"]
    assert [splits[name]["documents"] for name in ("train", "valid", "test")] == [6, 2, 2]
    assert manifest["tokenizer"]["size"] == 512
    assert manifest["changed"] == 0
    trained(capsys, corpus, "cobit-s-wikitext103", *own)


def test_sentences_of_lm1b(tmp_path: Path, subwords: Path, capsys: Any) -> None:
    folder = tmp_path / "lm1b"
    folder.mkdir()
    for shard in range(2):
        lines = [f"{words(12, 100 * shard + i)} , he said ." for i in range(120)]
        (folder / f"news.en-0000{shard}-of-00100").write_text("\n".join(lines) + "\n")
    corpus = tmp_path / "corpus"
    pattern = folder / "news.en-*"
    manifest = prepared(capsys, corpus, pattern, "--preset", "lm1b", "--tokenizer", subwords)
    assert sum(counts["documents"] for counts in manifest["splits"].values()) == 240
    trained(capsys, corpus, "cobit-s-lm1b", "--tokenizer", subwords)


def test_documents_of_owt(tmp_path: Path, subwords: Path, capsys: Any) -> None:
    """As a data set on disk, as the library saves one."""
    datasets = pytest.importorskip("datasets")
    rows = [words(200, i) for i in range(30)]
    datasets.Dataset.from_dict({"text": rows}).save_to_disk(str(tmp_path / "owt"))
    corpus = tmp_path / "corpus"
    own = ("--tokenizer", subwords, "--pair-bits", "9")
    manifest = prepared(capsys, corpus, f"hf:{tmp_path / 'owt'}", "--preset", "owt", *own)
    assert sum(counts["documents"] for counts in manifest["splits"].values()) == 30
    trained(capsys, corpus, "cobit-s-owt", *own)


def test_characters_on_a_laptop(tmp_path: Path, capsys: Any) -> None:
    """Bits of characters, and the autoregressive model of the same size that they stand beside."""
    source = tmp_path / "plays.txt"
    source.write_text("\n".join(words(40, i) for i in range(60)))
    corpus = tmp_path / "corpus"
    prepared(capsys, corpus, source, "--tokenizer", "characters")
    trained(capsys, corpus, "characters")
    code, _, err = run(
        capsys, "train", corpus, "--out", tmp_path / "ar", "--preset", "characters", *TINY,
        "--method", "autoregressive",
    )  # fmt: skip
    assert code == 0, err


def test_other_tokens_than_characters_are_refused(tmp_path: Path, capsys: Any) -> None:
    source = tmp_path / "a.txt"
    source.write_text("\n".join(words(40, i) for i in range(60)))
    prepared(capsys, tmp_path / "corpus", source, "--vocab-size", "300")
    code, _, err = run(
        capsys, "train", tmp_path / "corpus", "--out", tmp_path / "run", "--preset", "characters"
    )
    assert (code, err.count("\n")) == (2, 1)
    assert "--tokenizer characters" in err
    code, _, err = run(
        capsys, "prepare", source, "--out", tmp_path / "b", "--tokenizer", "characters",
        "--vocab-size", "30",
    )  # fmt: skip
    assert (code, err.count("\n")) == (2, 1)
