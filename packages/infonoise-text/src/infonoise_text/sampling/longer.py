"""Texts that are longer than a window, or end where their document does.

A window is filled, its last half is given as known tokens of the next one, and so on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from infonoise_text.data.spans import Given
from infonoise_text.sampling.text import Generated, Own, own_of

# Told of the part of so many windows that is done.
Heard = Callable[[float, int], None]
# Texts, tokens of a window, what is given in each, their generators, who hears of it -> windows.
Generate = Callable[[int, int, Given | None, Own, Heard], Generated]


@dataclass
class Continued:
    """A text as it grows.

    Attributes:
        ids: Its tokens, those of the prompt among them.
        invalid: How many of their codes belong to no token.
        ended: Whether its document has ended; the token that says so is left out.
    """

    ids: list[int]
    invalid: int = 0
    ended: bool = False


def continued(
    generate: Generate,
    prompts: Sequence[Sequence[int]],
    total: int,
    window: int,
    *,
    seed: int = 0,
    end: int | None = None,
    grown: Callable[[float], None] | None = None,
) -> tuple[list[Continued], int]:
    """A text of up to `total` tokens behind each prompt, and the most calls that one took.

    Args:
        prompts: Each maybe empty; of one longer than a window the end is read.
        window: Tokens of a window at most.
        end: The token at which a text ends; None for texts that go on to the last token.
        grown: Called again and again with the part of all texts that was added.
    """
    texts = [Continued(list(ids)) for ids in prompts]
    growth = _Growth([len(ids) for ids in prompts], total, grown)
    block, calls = 0, 0
    while rows := [i for i, t in enumerate(texts) if not t.ended and len(t.ids) < total]:
        known = [_known(texts[i], window, first=block == 0) for i in rows]
        left = [total - len(texts[i].ids) for i in rows]
        length = min(window, max(k + n for k, n in zip(known, left, strict=True)))
        found = generate(
            len(rows), length, _given(texts, rows, known, length), own_of(seed, block, rows),
            growth.within(rows, [min(length - k, n) for k, n in zip(known, left, strict=True)]),
        )  # fmt: skip
        for place, (i, k) in enumerate(zip(rows, known, strict=True)):
            _grow(texts[i], found.ids[place, k:].tolist(), found.invalid[place, k:], total, end)
        block, calls = block + 1, calls + found.nfe
        growth.reached(texts)
    return texts, calls


class _Growth:
    """How far texts are, in texts, told as they grow.

    Args:
        begun: Tokens that each has at first.
    """

    def __init__(
        self, begun: Sequence[int], total: int, grown: Callable[[float], None] | None
    ) -> None:
        self._begun, self._total, self._grown = begun, total, grown
        self._told = 0.0

    def within(self, rows: Sequence[int], new: Sequence[int]) -> Heard:
        """Who hears of a block, in which each of these texts gets so many tokens."""
        whole = sum(n / (self._total - self._begun[i]) for i, n in zip(rows, new, strict=True))
        return lambda done, windows: self._tell(self._told + whole * done / windows)

    def reached(self, texts: Sequence[Continued]) -> None:
        """After a block; a text that has ended is whole."""
        self._tell(sum(map(self._share, texts, self._begun)))

    def _share(self, text: Continued, begun: int) -> float:
        if text.ended or len(text.ids) >= self._total:
            return 1.0
        return (len(text.ids) - begun) / (self._total - begun)

    def _tell(self, done: float) -> None:
        if self._grown is not None and done != self._told:
            self._grown(done - self._told)
        self._told = done


def _known(text: Continued, window: int, *, first: bool) -> int:
    """How many of its last tokens are given: all of a prompt that fits, or half a window."""
    if first and len(text.ids) < window:
        return len(text.ids)
    return min(len(text.ids), window // 2)


def _given(
    texts: Sequence[Continued], rows: Sequence[int], known: Sequence[int], length: int
) -> Given | None:
    if not any(known):
        return None
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    for place, (i, k) in enumerate(zip(rows, known, strict=True)):
        if k:
            ids[place, :k] = torch.tensor(texts[i].ids[-k:])
    return Given(ids, torch.arange(length) < torch.tensor(known)[:, None])


def _grow(
    text: Continued, new: list[int], invalid: torch.Tensor, total: int, end: int | None
) -> None:
    new = new[: total - len(text.ids)]
    if end is not None and end in new:
        new, text.ended = new[: new.index(end)], True
    text.ids += new
    text.invalid += int(invalid[: len(new)].sum())
