"""`infonoise-text prepare`: text becomes token ids."""

import sys

from infonoise_text.data.open import documents_of, notes, prepared
from infonoise_text.options import Prepare


def run_prepare(config: Prepare) -> None:
    """Prepare a corpus and print what it holds."""
    options = config.options
    documents = documents_of(config.corpus, options)
    corpus = prepared(
        documents, config.out, options, semantic=config.semantic, overwrite=config.overwrite
    )
    manifest = corpus.manifest
    what = "documents" if manifest.pairs is None else "pairs"
    print(f"{corpus.folder}: {manifest.source}, tokenizer {corpus.tokenizer.name}")
    for name, counts in manifest.splits.items():
        per_token = f", {counts.bytes / counts.tokens:.2f} bytes per token" if counts.tokens else ""
        print(
            f"{name}: {counts.documents} {what}, {counts.tokens} tokens,"
            f" {counts.bytes} bytes{per_token}"
        )
    for note in notes(documents, corpus):
        print(note, file=sys.stderr)
