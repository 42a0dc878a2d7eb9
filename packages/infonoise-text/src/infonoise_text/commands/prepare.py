"""`infonoise-text prepare`: text becomes token ids."""

import sys

from infonoise_text.data.open import documents_of, notes
from infonoise_text.data.prepare import prepare
from infonoise_text.options import Prepare
from infonoise_text.tokenizers.load import load_tokenizer


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
