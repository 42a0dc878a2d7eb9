"""Windows that begin with a document, or with a prompt: where they lie in a split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import Split

# Tokens that are searched for ends at a time.
_CHUNK = 2**24
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Where windows of `length` tokens lie.

    Attributes:
        end: The token that fills up.
        start: (n,) their first token.
        total: (n,) tokens of the text in each; `end` fills up the rest.
        given: (n,) of these, how many are a prompt.
        size: (n,) bytes of the answers, of pairs.
    """

    length: int
    end: int
    start: Numbers
    total: Numbers
    given: Numbers
    size: Numbers | None = None

    def windows(
        self, split: Split, index: Numbers
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.bool_]]:
        """Ids (n, L), which of them are given, and which fill up.

        A pure function of its arguments; nothing of other rows is read.
        """
        at = np.arange(self.length)
        padding = at >= self.total[index, None]
        places = np.where(padding, 0, self.start[index, None] + at)
        ids = split.ids[places].astype(np.int32)
        ids[padding] = self.end
        return ids, at < self.given[index, None], padding


def document_rows(split: Split, length: int, stride: int) -> Rows:
    """Windows in which no two documents meet.

    A document that fits is one window. A longer one has a window at every `stride` tokens that is
    full, and behind its last whole window what is left, so that at a stride of `length` its windows
    lie side by side.
    """
    if split.end is None:
        raise InputError(f"the {split.name} split has no token at the end of a document")
    if length < 2:
        raise InputError(f"--length {length}: windows of documents have 2 tokens or more")
    ends = _ends(split)
    begins = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    tokens = ends - begins
    full = np.where(tokens >= length, (tokens - length) // stride + 1, 0)
    rest = tokens % length
    document = np.repeat(np.arange(len(tokens)), full)
    number = np.arange(len(document)) - np.repeat(np.cumsum(full) - full, full)
    starts = np.concatenate([begins[document] + number * stride, (ends - rest)[rest > 0]])
    totals = np.concatenate([np.full(len(document), length), rest[rest > 0]])
    order = np.argsort(starts, kind="stable")
    return Rows(length, split.end, starts[order], totals[order], np.zeros(len(order), np.int64))


def pair_rows(split: Split, length: int) -> Rows:
    """Prompts and their answers; what does not fit is cut or left out, as `Pairs.fitted` says."""
    if split.pairs is None or split.end is None:
        raise InputError(f"the {split.name} split has no pairs")
    found = split.pairs.fitted(length)
    return Rows(
        length, split.end, found.start, found.prompt + found.answer, found.prompt, found.bytes
    )


def _ends(split: Split) -> Numbers:
    """(documents,) the places behind their ends, the last of which may be without one."""
    ids = split.ids
    parts = [
        np.flatnonzero(ids[start : start + _CHUNK] == split.end) + start + 1
        for start in range(0, len(ids), _CHUNK)
    ]
    ends = np.concatenate(parts) if parts else np.empty(0, np.int64)
    if len(ids) and (not len(ends) or ends[-1] < len(ids)):
        ends = np.append(ends, len(ids))
    return ends.astype(np.int64)
