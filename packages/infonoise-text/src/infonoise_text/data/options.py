"""Which text, and how it is prepared."""

from dataclasses import dataclass

# The documentation that comes with Python: the text of those who give none.
EMBEDDED = "pydoc"


@dataclass(frozen=True)
class CorpusOptions:
    """How text that is not prepared yet is prepared, and what a prepared corpus must agree with."""

    field: str = "text"
    """where the text is in JSON lines, Parquet and Hugging Face data"""
    vocab_size: int | None = None
    """tokens to train; by default 4096, or the largest power of two that the corpus supports"""
    tokenizer: str | None = None
    """use this instead: .model file, tokenizer.json, prepared folder, or a name on the hub"""
    pair_bits: int | None = None
    """learn pairs of tokens on top, until this many bits have no code without a meaning"""
