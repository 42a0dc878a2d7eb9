"""Which text, and how it is prepared."""

from dataclasses import dataclass
from typing import Literal

# The documentation that comes with Python: the text of those who give none.
EMBEDDED = "pydoc"


@dataclass(frozen=True)
class CorpusOptions:
    """How text that is not prepared yet is prepared, and what a prepared corpus must agree with."""

    field: str = "text"
    """where the text is in JSON, tables, Parquet and Hugging Face data; dots lead inside records"""
    answer: str | None = None
    """where the answer is to the prompt in --field: pairs, of which only the answer is learned"""
    vocab_size: int | None = None
    """tokens to train; by default 4096, or the largest power of two that the corpus supports"""
    tokenizer: str | None = None
    """use this instead: .model file, tokenizer.json, prepared folder, a name on the hub, or
    characters, one token for each"""
    pair_bits: int | None = None
    """learn pairs of tokens on top, until this many bits have no code without a meaning"""
    val: str | None = None
    """held-out text for choices such as when to stop; by default a part of the data"""
    test: str | None = None
    """held-out text for the last word; by default a part of the data"""
    detokenize: Literal["wikitext", "lm1b"] | None = None
    """undo the spaces around punctuation that a published data set comes with: articles of
    WikiText, or the sentences of LM1B, a line each"""
    skip_bad: int | None = None
    """leave out up to so many files or records that cannot be read, and say which"""
