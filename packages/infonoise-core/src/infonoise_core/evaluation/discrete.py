"""What symbols cost models that are no diffusion of codes: masked ones, and from left to right.

A masked model gives every hidden symbol a probability given those that are shown. The sum over
k = 1..L of the mean cost of a hidden symbol when k are hidden bounds -log p from above; it is the
cost of a model that gives symbols in any order (Hoogeboom et al. 2022, arXiv 2110.02037, eq. 3),
and masked diffusion's bound in continuous time (Sahoo et al. 2024, arXiv 2406.07524). One draw of k
and of an order estimates it without bias. From left to right -log p is exact.

The networks are the domains'.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

# Which symbols are hidden (n, L) -> what each costs (n, L), given those that are not.
Costs = Callable[[Tensor], Tensor]


class Hidden(NamedTuple):
    """Which symbols are hidden.

    Attributes:
        rank: (n, L), a random order of the places.
        number: (n, 1), how many are hidden: those of a lower rank. Uniform over 1..L.
        among: (n,) symbols of each example that are not given; by default L.
    """

    rank: Tensor
    number: Tensor
    among: Tensor | None = None


def masked_nats(costs: Costs, drawn: Hidden) -> Tensor:
    """(n,) unbiased estimate of the bound on -log p: L / number times what hidden symbols cost."""
    hidden = drawn.rank < drawn.number
    among = hidden.shape[1] if drawn.among is None else drawn.among
    return (costs(hidden) * hidden).sum(1) * among / drawn.number[:, 0]


def even_hidden(
    n: int,
    length: int,
    level: int = 0,
    levels: int = 1,
    device: torch.device | None = None,
    *,
    given: Tensor | None = None,
) -> Hidden:
    """Numbers in the level-th of so many strata of 1..L, cut evenly among the examples of a batch.

    By torch's global generator.

    Args:
        given: (n, L) bool, symbols that are never hidden; L is then what each example has besides,
            at least 1.
    """
    # Each level's share is cut evenly among the examples, in a random order.
    place = (torch.randperm(n, device=device) + torch.rand(n, device=device)) / n
    among: Tensor | None = None
    chance = torch.rand(n, length, device=device)
    if given is None:
        number = ((level + place) / levels * length).floor().clamp(max=length - 1) + 1
    else:
        among = (~given).sum(1)
        number = torch.minimum(((level + place) / levels * among).floor(), among - 1) + 1
        chance = chance + given  # ranks behind all others
    order = chance.argsort(1)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(length, device=device).expand(n, -1)
    )
    return Hidden(rank, number[:, None], among)


def any_hidden(n: int, length: int, device: torch.device | None = None) -> Hidden:
    """Numbers that know nothing of each other, by torch's global generator."""
    drawn = torch.rand((2, n, length), device=device)
    number = 1 + (drawn[1, :, :1] * length).floor()
    return Hidden(drawn[0].argsort(1).argsort(1), number)


def strata_hidden(
    n: int, length: int, levels: int, generator: torch.Generator, device: torch.device | None = None
) -> Iterator[Hidden]:
    """For each example a number from each of so many strata of 1..L, one after another."""
    for level in range(levels):
        share = (level + torch.rand(n, 1, generator=generator)) / levels
        number = (1 + (share * length).floor()).clamp_max(length)
        rank = torch.rand(n, length, generator=generator).argsort(1).argsort(1)
        yield Hidden(rank.to(device), number.to(device))


def before(symbols: Tensor, start: float) -> Tensor:
    """What stands before each symbol of (n, L), the same type.

    It is what a model from left to right is shown.

    Args:
        start: What stands before the first.
    """
    return torch.cat([torch.full_like(symbols[:, :1], start), symbols[:, :-1]], 1)


@torch.no_grad()
def costs_of(
    denoiser: nn.Module, cost: Callable[[slice, torch.device], Tensor], n: int, chunk: int
) -> Tensor:
    """(n,) what fixed examples cost the model, in evaluation mode, float64 on the CPU.

    Args:
        cost: Rows of the examples and the model's device -> nats of each of them.
        chunk: Examples at a time.
    """
    denoiser.eval()
    device = next(denoiser.parameters()).device
    parts = [cost(slice(start, start + chunk), device) for start in range(0, n, chunk)]
    return torch.cat([part.cpu().to(torch.float64) for part in parts])
