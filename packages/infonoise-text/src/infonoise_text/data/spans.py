"""Which tokens are given: random spans in training, prompts and gaps in sampling."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from infonoise_core.errors import InputError


def random_spans(n: int, length: int, share: float, device: torch.device) -> Tensor:
    """(n, length) bool, True where a token is given; all False for 1 - `share` of the rows.

    In a third of the others a start is given (a prompt), in a third a stretch anywhere, in a third
    all but a stretch (a gap to be filled). Ends are uniform; some token is always left unknown.
    Drawn from the global generator, without a look at the device.
    """
    at = torch.arange(length, device=device)
    chosen, kind = torch.rand(2, n, 1, device=device).unbind(0)
    one, other = torch.rand(2, n, 1, device=device).mul(length + 1).floor().unbind(0)
    one = torch.where(kind < 1 / 3, 0, one)
    low, high = torch.minimum(one, other), torch.maximum(one, other)
    inside = (at >= low) & (at < high)
    known = torch.where(kind < 2 / 3, inside, ~inside)
    return known & (chosen < share) & ~known.all(1, keepdim=True)


def block_starts(n: int, length: int, block: int, share: float, device: torch.device) -> Tensor:
    """(n, length) bool, True for the first tokens of each block of a share of the rows.

    How many is uniform, and never all: so a prompt may end within a block. Drawn as by
    `random_spans`.
    """
    place = torch.arange(length, device=device)
    chosen = torch.rand(n, 1, device=device) < share
    ends = torch.rand(n, -(-length // block), device=device).mul(block).floor()
    return chosen & (place % block < ends[:, place // block])


class Given(NamedTuple):
    """The tokens of one window that are given, or of each of several.

    Attributes:
        ids: (length,) or (n, length) int64, anything where nothing is given.
        known: Of the same shape, bool.
    """

    ids: Tensor
    known: Tensor


def prompt(ids: Sequence[int], length: int) -> Given:
    """The first tokens of a text of `length`; InputError unless they leave room for one more."""
    if len(ids) >= length:
        raise InputError(
            f"a prompt of {len(ids)} tokens in a text of {length}: give a prompt of at most"
            f" {length - 1} tokens, or a --length of more than {len(ids)}"
        )
    return _given([ids, []], [length - len(ids)])


def gaps(parts: Sequence[Sequence[int]], length: int, size: int | None = None) -> Given:
    """Parts of a window of `length` with gaps between them.

    Args:
        parts: Of which some may be empty, so that a gap can be first or last.
        size: Tokens of each gap, and what room is left is unknown too, behind the last part;
            without it the gaps share all room.
    """
    if len(parts) < 2:
        raise InputError("no gap to fill: mark one in the text")
    if size is not None and size < 1:
        raise InputError(f"--gap {size}: give at least 1 token")
    room, count = length - sum(map(len, parts)), len(parts) - 1
    if room < count * (size or 1):
        needed = f"{count} gaps" if size is None else f"{count} gaps of {size}"
        raise InputError(
            f"{length - room} tokens are given in a window of {length}, which leaves {max(room, 0)}"
            f" for {needed}: give less text around them, or a longer window"
        )
    if size is None:
        return _given(parts, [room // count + (i < room % count) for i in range(count)])
    return _given([*parts, []], [size] * count + [room - size * count])


def _given(parts: Sequence[Sequence[int]], sizes: Sequence[int]) -> Given:
    ids: list[int] = list(parts[0])
    known = [True] * len(ids)
    for size, part in zip(sizes, parts[1:], strict=True):
        ids += [0] * size + list(part)
        known += [False] * size + [True] * len(part)
    return Given(torch.tensor(ids), torch.tensor(known))
