"""infonoise-text: prepare."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

import infonoise_text
from infonoise_core.training import command
from infonoise_text.documents import EMBEDDED, open_documents
from infonoise_text.prepare import prepare
from infonoise_text.tokens import load_tokenizer


@dataclass(frozen=True)
class Prepare:
    """Turn text files, archives, JSON lines, Parquet or Hugging Face data into token ids."""

    out: Path
    """folder for the ids, the tokenizer and the manifest"""
    corpus: Positional[str] = EMBEDDED
    """file, folder, archive, hf:NAME, or topics (the Python documentation inside Python)"""
    field: str = "text"
    """where the text is in JSON lines, Parquet and Hugging Face data"""
    vocab_size: int | None = None
    """tokens to train; by default 4096, or the largest power of two that the corpus supports"""
    tokenizer: str | None = None
    """use this instead: .model file, tokenizer.json, prepared folder, or a name on the hub"""
    pair_bits: int | None = None
    """learn pairs of tokens on top, until this many bits have no code without a meaning"""
    semantic: bool = False
    """learn codes in which tokens used alike share their first bits"""
    overwrite: bool = False
    """replace an earlier corpus in --out"""


def run_prepare(config: Prepare) -> None:
    """Prepare a corpus and print what it holds."""
    documents = open_documents(config.corpus, config.field)
    tokenizer = None if config.tokenizer is None else load_tokenizer(config.tokenizer)
    corpus = prepare(
        documents,
        config.out,
        tokenizer=tokenizer,
        vocab_size=config.vocab_size,
        pair_bits=config.pair_bits,
        semantic=config.semantic,
        overwrite=config.overwrite,
    )
    manifest = corpus.manifest
    print(f"{corpus.folder}: {manifest.source}, tokenizer {corpus.tokenizer.name}")
    for name, counts in manifest.splits.items():
        per_token = f", {counts.bytes / counts.tokens:.2f} bytes per token" if counts.tokens else ""
        print(
            f"{name}: {counts.documents} documents, {counts.tokens} tokens,"
            f" {counts.bytes} bytes{per_token}"
        )
    if manifest.split_by == "stretch":
        print(
            "note: too few documents to hold some out; the end of each is held out", file=sys.stderr
        )
    if manifest.changed:
        print(
            f"note: {manifest.changed} documents do not come back exactly from this tokenizer",
            file=sys.stderr,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    commands: dict[str, command.Command] = {"prepare": (Prepare, run_prepare)}
    return command.run("infonoise-text", infonoise_text.__version__, commands, argv)


if __name__ == "__main__":
    sys.exit(main())
