"""Sequences of symbols from networks that say how probable each symbol is: for the models that
diffusion of codes is compared with.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def draw(logits: Tensor, generator: torch.Generator) -> Tensor:
    """(..., V) -> (...) symbols from the softmax, by the Gumbel maximum in float64, on the CPU.

    In float32 the uniform numbers have 24 bits, which cuts the law's tail off and lowers the
    entropy of what is drawn (Zheng et al. 2024, arXiv 2409.02908, section 4).
    """
    uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64)
    gumbel = -(-uniform.log()).log()
    return (logits.cpu().to(torch.float64) + gumbel).argmax(-1)


def first_hitting(
    law: Callable[[Tensor, Tensor], Tensor],
    n: int,
    length: int,
    calls: int,
    generator: torch.Generator,
) -> Tensor:
    """(n, length) symbols of a masked diffusion by the first-hitting sampler (Zheng et al. 2024,
    arXiv 2409.02908).

    Hidden symbols come to light at times that are uniform and independent, so their order is
    random, and the network, which reads no time, is asked only when one does: `length` calls.

    Args:
        law: Symbols (n, length) and which are hidden (n, length) -> logits (n, length, V) of
            the hidden ones.
        calls: 1 to length; fewer let several symbols come to light at once, each as if alone.
    """
    turn = torch.rand(n, length, generator=generator, dtype=torch.float64).argsort(1).argsort(1)
    call = (turn * calls).div(length, rounding_mode="floor")
    symbols = torch.zeros(n, length, dtype=torch.long)
    for i in range(calls):
        drawn = draw(law(symbols, call >= i), generator)
        symbols = torch.where(call == i, drawn, symbols)
    return symbols


def left_to_right(
    law: Callable[[Tensor], Tensor], n: int, length: int, generator: torch.Generator
) -> Tensor:
    """(n, length) symbols of an autoregressive model, with a call for each.

    Args:
        law: The symbols so far (n, i), i from 0 -> logits (n, V) of the next.
    """
    symbols = torch.zeros(n, length, dtype=torch.long)
    for i in range(length):
        symbols[:, i] = draw(law(symbols[:, :i]), generator)
    return symbols
