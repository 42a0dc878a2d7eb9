"""Prompts and their answers: how long each of them is, in a file beside the ids.

The ids of a pair are those of its prompt, an end, those of its answer, and an end.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Columns of the file: tokens of the prompt and of the answer, their ends among them, and the bytes
# of the answer in UTF-8.
COLUMNS = 3
DTYPE = np.dtype("<u4")


@dataclass(frozen=True)
class PairFields:
    """Of a corpus of pairs.

    Attributes:
        prompt, answer: Names of the fields that they were read from.
        longest: Tokens of the longest answer of train, its end among them.
        sha256: Name of a split -> of its file of lengths.
    """

    prompt: str
    answer: str
    longest: int
    sha256: dict[str, str]


def lengths_file(split: str) -> str:
    """Name of the file of a split's lengths."""
    return f"{split}.pairs.bin"


def prompt_room(length: int, longest: int) -> int:
    """Tokens of a prompt that a window of `length` takes at most; of a longer one the end is read.

    What is left has room for the longest answer, or is half a window if that is longer. It is the
    same for all pairs, so that where a prompt is cut says nothing of its answer.
    """
    return length - min(longest, length // 2)


@dataclass(frozen=True)
class Pairs:
    """The lengths of a split's pairs, in the order of their ids.

    Attributes:
        lengths: (n, 3) tokens of prompts and of answers, and bytes of answers.
        longest: See `PairFields`.
    """

    lengths: NDArray[np.integer]
    longest: int

    def fitted(self, length: int) -> "Fitted":
        """The pairs as windows of `length` tokens hold them."""
        prompt, answer, size = self.lengths.astype(np.int64).T
        start = np.concatenate([[0], np.cumsum(prompt + answer)[:-1]]) if len(prompt) else prompt
        kept = np.minimum(prompt, prompt_room(length, self.longest))
        fits = kept + answer <= length
        return Fitted(
            (start + prompt - kept)[fits], kept[fits], answer[fits], size[fits],
            cut=int((kept < prompt)[fits].sum()), refused=int((~fits).sum()),
        )  # fmt: skip


@dataclass(frozen=True)
class Fitted:
    """Pairs that windows of some length hold.

    Attributes:
        start: (n,) the token that each begins at.
        prompt, answer: (n,) tokens.
        bytes: (n,) of the answers.
        cut: How many prompts have lost their beginning.
        refused: How many pairs are left out, because their answers are too long.
    """

    start: NDArray[np.int64]
    prompt: NDArray[np.int64]
    answer: NDArray[np.int64]
    bytes: NDArray[np.int64]
    cut: int
    refused: int
