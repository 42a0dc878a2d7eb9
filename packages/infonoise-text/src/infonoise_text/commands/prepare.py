"""`infonoise-text prepare`: text becomes token ids."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_text.data.open import documents_of, notes
from infonoise_text.data.options import EMBEDDED, CorpusOptions
from infonoise_text.data.prepare import prepare
from infonoise_text.tokenizers.load import load_tokenizer


@dataclass(frozen=True)
class Prepare:
    """Turn text files, archives, JSON lines, Parquet or Hugging Face data into token ids."""

    out: Path
    """folder for the ids, the tokenizer and the manifest"""
    corpus: Positional[str] = EMBEDDED
    """file, folder, archive, hf:NAME, or pydoc (the documentation inside Python)"""
    semantic: bool = False
    """learn codes in which tokens used alike share their first bits"""
    overwrite: bool = False
    """replace an earlier corpus in --out"""
    options: OmitArgPrefixes[CorpusOptions] = field(default_factory=CorpusOptions)


def run_prepare(config: Prepare) -> None:
    """Prepare a corpus and print what it holds."""
    options = config.options
    documents = documents_of(config.corpus, options)
    tokenizer = None if options.tokenizer is None else load_tokenizer(options.tokenizer)
    corpus = prepare(
        documents,
        config.out,
        tokenizer=tokenizer,
        vocab_size=options.vocab_size,
        pair_bits=options.pair_bits,
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
    for note in notes(documents, corpus):
        print(note, file=sys.stderr)
