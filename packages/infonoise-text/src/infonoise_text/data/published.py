"""Corpora that published models were trained on: where they are, and how they become tokens."""

from collections.abc import Mapping
from dataclasses import dataclass

from infonoise_text.data.options import CorpusOptions
from infonoise_text.tokenizers.characters import CHARACTERS


@dataclass(frozen=True)
class Published:
    """A corpus.

    Attributes:
        about: In a sentence.
        source: As `prepare` takes it; files of the same form may stand in its place.
    """

    about: str
    source: str
    options: CorpusOptions


PUBLISHED: Mapping[str, Published] = {
    "lm1b": Published(
        "The One Billion Word Benchmark: sentences in the words of BERT, which are lower case.",
        "hf:billion-word-benchmark/lm1b",
        CorpusOptions(tokenizer="bert-base-uncased", detokenize="lm1b"),
    ),
    "owt": Published(
        "OpenWebText in GPT-2's tokens and pairs of them, 2^16 codes.",
        "hf:Skylion007/openwebtext",
        CorpusOptions(tokenizer="gpt2", pair_bits=16),
    ),
    "wikitext103": Published(
        "Articles of WikiText-103 in GPT-2's tokens and pairs of them, 2^16 codes.",
        "hf:Salesforce/wikitext,wikitext-103-raw-v1",
        CorpusOptions(tokenizer="gpt2", pair_bits=16, detokenize="wikitext"),
    ),
    "text8": Published(
        "The file text8 in this folder, by character, its last two twentieths held out.",
        "text8",
        CorpusOptions(tokenizer=CHARACTERS),
    ),
}
