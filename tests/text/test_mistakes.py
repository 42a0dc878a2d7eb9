"""Mistakes on the command line end in one line, and nothing is written or lost."""

import sys
from pathlib import Path
from typing import Any

import pytest

from infonoise_text.data.documents import Documents
from infonoise_text.data.open import CACHE_VARIABLE
from infonoise_text.data.prepare import prepare

from .command_line import run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["complete", "{trained}", "word " * 90], "a prompt of"),
        (["infill", "{trained}", "no gap"], "no gap to fill"),
        (["infill", "{trained}", "a ___ b", "--gap", "40"], "leaves"),
        (["infill", "{trained}", "a ___", "--length", "13"], "has learned windows of 12 tokens"),
        (["sample", "{trained}", "--n", "0"], "--samples 0: give at least 1"),
        (["sample", "{trained}", "--guidance", "2"], "--guidance 2 without given tokens"),
        (["sample", "{trained}", "--out", "{corpus}"], "is a folder: give a file name"),
        (["sample", "{corpus}"], "no run here"),
        (["sample", "{fixed}"], "--grid entropic needs a profile and there is none"),
        (
            ["sample", "{fixed}", "--grid", "karras", "--churn", "0.1"],
            "--churn-gate band needs a profile",
        ),
        (["evaluate", "{trained}", "--churns", "0.9"], "--churns 0.9: give 0 to 0.4142"),
        (["evaluate", "{fixed}"], "--grid entropic needs a profile"),
        (["evaluate", "{trained}", "--churn", "0.1"], "give --churns here"),
        (["evaluate", "{trained}", "--mauve"], "--mauve without --lm"),
        (["evaluate", "{trained}", "--data", "nothing"], "nothing: not found"),
        (["evaluate", "{trained}", "--lm", "folder"], "infonoise-text[lm]"),
        (["profile", "{trained}", "--save", "p.json"], "--save without --by"),
        (["profile", "{fixed}"], "no profile here"),
        (["profile", "{masked}"], "no profile here"),
        (["complete", "{masked}", "a"], "complete takes runs of bits"),
        (["profile", "{masked}", "--by", "bit"], "profile --by takes runs of bits"),
        (["train", "{corpus}", "--out", "o", "--method", "diffusion"], "--method"),
        (["train", "{corpus}", "--out", "o", "--length", "99999"], "fewer than one window"),
        (["train", "{corpus}", "--out", "o", "--vocab-size", "300"], "with 512 tokens"),
        (["train", "{corpus}", "--out", "o", "--schedule", "karras"], "no such schedule"),
        (
            ["train", "{corpus}", "--out", "o", "--method", "masked", "--schedule", "edm"],
            "--schedule edm: --method masked has no noise levels; give bits or embedding, or leave",
        ),
        (["train", "empty.txt", "--out", "o"], "empty.txt: no text in it"),
        (["train", "latin.txt", "--out", "o"], "latin.txt: not UTF-8 at byte 3"),
        (["train", "a.txt", "--out", "o", "--vocab-size", "5000"], "a.txt supports at most"),
        (["compare", "empty.txt", "--out", "o"], "empty.txt: no text in it"),
        (["compare", "{corpus}", "--out", "o", "--schedules", "edm,edm"], "stands there twice"),
        (
            ["compare", "{corpus}", "--out", "o", "--method", "autoregressive"],
            "--method autoregressive has no noise levels; give bits or embedding, or train it and",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_costs_nothing(
    arguments: list[str],
    message: str,
    trained: Path,
    fixed: Path,
    masked: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "transformers", None)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "a.txt").write_text("the cat sat on the mat\n" * 9)
    places = {"trained": trained, "fixed": fixed, "masked": masked, "corpus": corpus}

    def state() -> dict[Path, Any]:
        roots = (trained, fixed, masked, corpus, tmp_path)
        files = [p for root in roots for p in root.rglob("*") if p.is_file()]
        return {p: p.read_bytes() for p in files if "cache" not in p.parts}

    before = state()
    code, _, err = run(capsys, *(a.format(**places) for a in arguments))
    assert code == 2, err
    last = err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert state() == before


def test_text_of_another_tokenizer_is_refused(
    trained: Path, topics: list[str], tmp_path: Path, capsys: Any
) -> None:
    """With the way out: the tokenizer that the run holds."""
    other = prepare(Documents.of("b", topics), tmp_path / "other", vocab_size=400)
    code, _, err = run(capsys, "evaluate", trained, "--data", other.folder, "--n", "0")
    assert code == 2
    assert f"prepare them with --tokenizer {trained / 'tokenizer'}" in err
    out, source = tmp_path / "again", tmp_path / "source"
    source.mkdir()
    for i, text in enumerate(topics):
        (source / f"{i:02}.txt").write_text(text)
    options = ("--tokenizer", trained / "tokenizer")
    assert run(capsys, "prepare", source, "--out", out, *options)[0] == 0
    code, _, err = run(capsys, "evaluate", trained, "--data", out, "--n", "0", "--windows", "4")
    assert code == 0, err
