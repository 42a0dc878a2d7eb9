"""A text as a whole, in overlapping windows: numbers to stand beside published ones."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.evaluation.likelihood import Bound, per_unit

# Windows (n, L) and how many of their first tokens are given -> (n,) nats of the others.
TextCost = Callable[[Tensor, int], Tensor]
# Windows at a time.
_CHUNK = 1024


@dataclass(frozen=True)
class WholeText:
    """A text as tokens, and what it is counted in.

    Attributes:
        ids: (T,) int64.
        bytes, characters, words: Of the text itself, whatever the tokenizer makes of it; words are
            what white space separates.
        lossless: Whether the tokenizer gives it back.
    """

    ids: Tensor
    bytes: int
    characters: int
    words: int
    lossless: bool

    def measures(self, bound: Bound) -> dict[str, float]:
        """A cost per token in all units, by name; perplexities are those of published tables."""
        nats = bound.nats * len(self.ids)
        found = {
            "bits per byte": nats / math.log(2) / self.bytes,
            "bits per character": nats / math.log(2) / self.characters,
            "nats per token": bound.nats,
            "perplexity per token": math.exp(min(bound.nats, 700.0)),
        }
        if self.words:
            found["perplexity per word"] = math.exp(min(nats / self.words, 700.0))
        return found

    def errors(self, bound: Bound) -> dict[str, float]:
        """Standard errors of those measures that are proportional to the cost."""
        bits = bound.stderr * len(self.ids) / math.log(2)
        return {
            "bits per byte": bits / self.bytes,
            "bits per character": bits / self.characters,
            "nats per token": bound.stderr,
        }


def overlapping(tokens: int, length: int, stride: int) -> Iterator[tuple[list[int], int]]:
    """Where windows of a text begin, and how many of their first tokens are given.

    Every token is charged once: those of the first window all, of each next window the `stride`
    that the one before it has not seen, and of the last one what is left.
    """
    _check_stride(stride, length)
    yield [0], 0
    later = list(range(stride, tokens - length + 1, stride))
    for start in range(0, len(later), _CHUNK):
        yield later[start : start + _CHUNK], length - stride
    done = (later[-1] if later else 0) + length
    if done < tokens:
        yield [tokens - length], length - (tokens - done)


def text_bound(cost: TextCost, ids: Tensor, length: int, stride: int) -> Bound:
    """Nats per token of ids (T,), each read behind at least length - stride others if there are.

    Raises:
        InputError: Where there is nothing to measure.
    """
    tokens = len(ids)
    if tokens < 2:
        raise InputError(f"{tokens} tokens: give a longer text")
    _check_stride(stride, length)
    length = min(length, tokens)
    nats, units = [], []
    for starts, known in overlapping(tokens, length, min(stride, length)):
        windows = ids[torch.tensor(starts)[:, None] + torch.arange(length)]
        nats.append(cost(windows, known).to(torch.float64))
        units.append(torch.full((len(windows),), length - known))
    return _bound(torch.cat(nats), torch.cat(units))


def _check_stride(stride: int, length: int) -> None:
    if not 1 <= stride <= length:
        raise InputError(f"--stride {stride}: give 1 to {length}, the tokens of a window")


def _bound(nats: Tensor, units: Tensor) -> Bound:
    if len(nats) > 1:
        return per_unit(nats, units)
    return Bound(float(nats.sum() / units.sum()), math.nan)  # one window has no error bar
