"""Sequences of symbols from networks that say how probable each symbol is.

For the models that diffusion of codes is compared with.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.rng import Stream, generator

# Of all examples together, or one for each.
Random = torch.Generator | Sequence[torch.Generator]
# Generator (or one for each example, with `own`), examples of a chunk -> their symbols.
Sampler = Callable[[Any, int], Tensor]


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


def first_hitting(
    network: Callable[[Tensor, Tensor], Tensor],
    n: int,
    length: int,
    calls: int,
    rng: Random,
) -> Tensor:
    """(n, length) symbols of a masked diffusion by the first-hitting sampler.

    Zheng et al. 2024, arXiv 2409.02908.

    Hidden symbols come to light at times that are uniform and independent, so their order is
    random, and the network, which reads no time, runs only when one does: `length` calls.

    Args:
        network: Symbols (n, length) and which are hidden (n, length) -> logits (n, length, V) of
            the hidden ones.
        calls: 1 to length; fewer let several symbols come to light at once, each as if alone.
    """
    turn = _uniform((n, length), rng).argsort(1).argsort(1)
    call = (turn * calls).div(length, rounding_mode="floor")
    symbols = torch.zeros(n, length, dtype=torch.long)
    for i in range(calls):
        drawn = draw(network(symbols, call >= i), rng)
        symbols = torch.where(call == i, drawn, symbols)
    return symbols


def left_to_right(network: Callable[[Tensor], Tensor], n: int, length: int, rng: Random) -> Tensor:
    """(n, length) symbols of an autoregressive model, with a call for each.

    Args:
        network: The symbols so far (n, i), i from 0 -> logits (n, V) of the next.
    """
    symbols = torch.zeros(n, length, dtype=torch.long)
    for i in range(length):
        symbols[:, i] = draw(network(symbols[:, :i]), rng)
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
