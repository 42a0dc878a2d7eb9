"""What n-gram models of a corpus make of it: the numbers to put beside a network's."""

import numpy as np
import torch

from infonoise_core.errors import InputError
from infonoise_core.evaluation.likelihood import per_unit
from infonoise_text.data.corpus import Corpus, Split
from infonoise_text.data.windows import held_out
from infonoise_text.evaluation.bound import per_byte
from infonoise_text.evaluation.ngram import Ids, NGram, bits_per_symbol

# Tokens that are read of a split at most: counts of more take gigabytes.
_MOST = 20_000_000


def split_bytes(corpus: Corpus, name: str, most: int = _MOST) -> Ids:
    """(N,) uint8: the documents of a split one after the other, as UTF-8.

    Args:
        most: Tokens that are read, from the first on.
    """
    return np.concatenate(_parts(corpus, name, most))


def _parts(corpus: Corpus, name: str, most: int) -> list[Ids]:
    """What stands between ends, as bytes: documents, or prompts and answers in turn."""
    ids, tokenizer = corpus.split(name).ids[:most], corpus.tokenizer
    # No id is -1, so a tokenizer without an end gives one piece.
    ends = np.flatnonzero(ids == (-1 if tokenizer.end is None else tokenizer.end)) + 1
    texts = (tokenizer.decode(part.tolist()) for part in np.split(ids, ends))
    return [np.frombuffer(text.encode(), np.uint8) for text in texts]


def byte_references(corpus: Corpus, held_out: str = "valid", order: int = 6) -> list[float]:
    """Held-out bits per byte of byte n-gram models of orders 1 to `order`.

    They see across the ends of documents. Of pairs it is the bytes of answers that count.

    Raises:
        InputError: Where a split is empty.
    """
    train, parts = split_bytes(corpus, "train"), _parts(corpus, held_out, _MOST)
    rest = np.concatenate(parts)
    if not len(train) or not len(rest):
        raise InputError(f"{corpus.folder}: the train or the {held_out} split is empty")
    model = NGram(train, 256, order)
    # Where the tokenizer loses text, what is left of it is paid for per byte that there was.
    there, manifest = len(rest), corpus.manifest
    if manifest.changed:
        read = min(1.0, _MOST / max(len(corpus.split(held_out)), 1))
        there = max(1, round(manifest.splits[held_out].bytes * read))
    scale = len(rest) / there
    counted = np.ones(len(rest), bool)
    if corpus.manifest.pairs is not None:
        counted = np.repeat(np.arange(len(parts)) % 2 == 1, [len(part) for part in parts])
    return [scale * bits_per_symbol(model.nats(rest, k)[counted]) for k in range(1, order + 1)]


def byte_model(corpus: Corpus, order: int = 6) -> NGram:
    """An n-gram model of the bytes of the training split; InputError where that is empty."""
    train = split_bytes(corpus, "train")
    if not len(train):
        raise InputError(f"{corpus.folder}: the train split is empty")
    return NGram(train, 256, order)


def token_reference(
    split: Split, model: NGram, order: int, length: int, windows: int
) -> dict[str, float]:
    """What held-out windows cost an n-gram model of tokens, exactly, with standard errors.

    The same windows as networks are measured on, each read without what stands before it; answers
    behind their prompts.
    """
    found, tokens_per_byte = held_out(split, length, windows)
    nats = torch.from_numpy(model.nats(found.ids.numpy(), order))
    for mask in found.conditions.values():
        nats = nats * ~mask
    return per_byte(per_unit(nats.sum(1), found.units), tokens_per_byte)


def token_model(corpus: Corpus, order: int = 3, most: int = _MOST) -> NGram:
    """An n-gram model of the training split's tokens.

    It gives the perplexity of generated text where no language model is at hand.
    """
    return NGram(corpus.split("train").ids[:most], corpus.tokenizer.size, order)
