"""Sequences of symbols from networks that say how probable each symbol is.

For the models that diffusion of codes is compared with.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.rng import Stream, generator

# Of all examples together, or one for each.
Random = torch.Generator | Sequence[torch.Generator]
# Generator (or one for each example, with `own`), examples of a chunk -> their symbols.
Sampler = Callable[[Any, int], Tensor]


class Given(NamedTuple):
    """Symbols that are there already.

    Attributes:
        symbols: (n, length), of which those are read that are `known`.
        known: (n, length) bool.
    """

    symbols: Tensor
    known: Tensor


def draw(logits: Tensor, rng: Random) -> Tensor:
    """(..., V) -> (...) symbols from the softmax, by the Gumbel maximum in float64, on the CPU.

    In float32 the uniform numbers have 24 bits, which cuts the distribution's tail off and lowers
    the entropy of what is drawn (Zheng et al. 2024, arXiv 2409.02908, section 4).
    """
    uniform = _uniform(logits.shape, rng)
    gumbel = -(-uniform.log()).log()
    return (logits.cpu().to(torch.float64) + gumbel).argmax(-1)


def _uniform(shape: Sequence[int], rng: Random) -> Tensor:
    """Float64 numbers of shape (n, ...)."""
    if isinstance(rng, torch.Generator):
        return torch.rand(tuple(shape), generator=rng, dtype=torch.float64)
    rows = [torch.rand(tuple(shape[1:]), generator=own, dtype=torch.float64) for own in rng]
    return torch.stack(rows)


def _number(there: Tensor) -> Tensor:
    """(n, 1) how many of (n, L) are there, at least 1."""
    return there.sum(1, keepdim=True).clamp_min(1)


def first_hitting(
    network: Callable[[Tensor, Tensor], Tensor],
    n: int,
    length: int,
    calls: int,
    rng: Random,
    given: Given | None = None,
) -> Tensor:
    """(n, length) symbols of a masked diffusion by the first-hitting sampler.

    Zheng et al. 2024, arXiv 2409.02908.

    Hidden symbols come to light at times that are uniform and independent, so their order is
    random, and the network, which reads no time, runs only when one does: `length` calls.

    Args:
        network: Symbols (n, length) and which are hidden (n, length) -> logits (n, length, V) of
            the hidden ones.
        calls: 1 to length; fewer let several symbols come to light at once, each as if alone.
        given: Symbols that are never hidden.
    """
    order = _uniform((n, length), rng)
    symbols, hidden = torch.zeros(n, length, dtype=torch.long), torch.full((n, 1), length)
    if given is not None:
        order = order + given.known  # behind all others, whose turns they would take
        symbols, hidden = torch.where(given.known, given.symbols, symbols), _number(~given.known)
    turn = order.argsort(1).argsort(1)
    call = (turn * calls).div(hidden, rounding_mode="floor")
    if given is not None:
        call = call.masked_fill(given.known, -1)
    for i in range(calls):
        drawn = draw(network(symbols, call >= i), rng)
        symbols = torch.where(call == i, drawn, symbols)
    return symbols


def left_to_right(
    network: Callable[[Tensor], Tensor],
    n: int,
    length: int,
    rng: Random,
    given: Given | None = None,
) -> Tensor:
    """(n, length) symbols of an autoregressive model, with a call for each.

    Args:
        network: The symbols so far (n, i), i from 0 -> logits (n, V) of the next.
        given: Symbols that stand where they are; what stands before one does not know of it.
    """
    symbols, rows = torch.zeros(n, length, dtype=torch.long), torch.arange(n)
    if given is not None:
        symbols = torch.where(given.known, given.symbols, symbols)
    for i in range(length):
        free = rows if given is None else rows[~given.known[:, i]]
        if len(free):
            # A generator of its own draws for its example alone, whatever is given to others.
            own = rng if isinstance(rng, torch.Generator) else [rng[row] for row in free.tolist()]
            symbols[free, i] = draw(network(symbols[free, :i]), own)
    return symbols


@torch.no_grad()
def in_chunks(
    sampler: Sampler,
    n: int,
    *,
    seed: int = 0,
    chunk: int = 64,
    progress: Callable[[int, int], None] | None = None,
    own: Callable[[int], torch.Generator] | None = None,
) -> Iterator[Tensor]:
    """n examples, at most `chunk` at a time, each chunk with a generator of its own.

    Args:
        own: Number of an example -> a generator of its own, in place of one for each chunk.
        sampler: Such as `first_hitting` or `left_to_right` with its network.
        progress: Called with (examples just done, n).

    Yields:
        (rows, length) symbols.
    """
    for start in range(0, n, chunk):
        rows = min(chunk, n - start)
        if own is None:
            yield sampler(generator(seed, Stream.SAMPLE, start), rows)
        else:
            yield sampler([own(i) for i in range(start, start + rows)], rows)
        if progress is not None:
            progress(rows, n)


def checked_calls(calls: int | None, length: int, symbol: str) -> int:
    """Calls of a masked network for `length` symbols, one for each by default.

    Args:
        symbol: What they are, for people.

    Raises:
        InputError: For fewer than one or more than there are symbols.
    """
    calls = length if calls is None else calls
    if not 1 <= calls <= length:
        raise InputError(f"--steps {calls}: give 1 to {length}, one for each {symbol}")
    return calls
