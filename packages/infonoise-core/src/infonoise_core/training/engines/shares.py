"""Parameters in pieces: which numbers of which one this process keeps, and wholes of them again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Share:
    """Numbers of one parameter, next to each other in its flat order.

    Attributes:
        name: The parameter's.
        start: Place of the first one.
        values: The numbers themselves, in fp32, where the optimizer updates them, which may be the
            host's memory; of any shape.
    """

    name: str
    start: int
    values: Tensor


class Shares:
    """The numbers that this process keeps among those that all keep: each with one of them.

    Args:
        mine: This process's; collective.
        shapes: Name -> shape of every parameter that is divided, in an order that all share.
        device: Where wholes are put together.

    Attributes:
        size: All numbers of all parameters.
    """

    def __init__(
        self,
        mine: Iterable[Share],
        shapes: Mapping[str, torch.Size],
        device: torch.device,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.mine, self.shapes, self.device = list(mine), dict(shapes), device
        self.rank, self.world = rank, world
        self.size, self._places = 0, {}
        for name, shape in self.shapes.items():
            self._places[name] = self.size
            self.size += shape.numel()
        places = [(one.name, one.start, one.values.numel()) for one in self.mine]
        every: list[list[tuple[str, int, int]]] = [places]
        if world > 1:
            every = [[] for _ in range(world)]
            dist.all_gather_object(every, places)
        # Name -> (rank, start, numbers) of each piece, in the order that the ranks keep them in.
        self._pieces: dict[str, list[tuple[int, int, int]]] = {name: [] for name in shapes}
        for owner, theirs in enumerate(every):
            for name, start, size in theirs:
                self._pieces[name].append((owner, start, size))

    def values(self) -> dict[str, list[Tensor]]:
        """Name -> this process's pieces of the weights."""
        return self.by_name([one.values for one in self.mine])

    def by_name(self, tensors: Sequence[Tensor]) -> dict[str, list[Tensor]]:
        """Name -> those of `tensors`, of which there is one for each of `mine`."""
        found: dict[str, list[Tensor]] = {name: [] for name in self.shapes}
        for share, tensor in zip(self.mine, tensors, strict=True):
            found[share.name].append(tensor)
        return found

    def part_of(self, share: Share, whole: Tensor) -> Tensor:
        """The numbers of a share in a whole parameter, of the share's shape."""
        if whole.shape != self.shapes[share.name]:
            raise RuntimeError(f"{share.name} is of shape {tuple(whole.shape)}")
        part = whole.reshape(-1)[share.start : share.start + share.values.numel()]
        return part.view(share.values.shape)

    def place_of(self, name: str) -> int:
        """How many numbers lie before those of a parameter."""
        return self._places[name]

    def everywhere(self, name: str, mine: Sequence[Tensor]) -> Tensor:
        """A whole parameter, or what has its shape, on every process; collective.

        Args:
            mine: This process's pieces.
        """
        whole = torch.empty(self.shapes[name], device=self.device)
        own = iter(mine)
        for owner, start, size in self._pieces[name]:
            place = whole.view(-1)[start : start + size]
            if owner == self.rank:
                place.copy_(next(own).reshape(-1))
            if self.world > 1:
                dist.broadcast(place, owner)
        return whole

    def whole(self, name: str, mine: Sequence[Tensor], to: int) -> Tensor | None:
        """The same on process `to` alone, None elsewhere; alone it may be a piece itself."""
        shape = self.shapes[name]
        if self.world == 1 and len(mine) == 1:
            return mine[0].view(shape)
        wanted = to == self.rank
        flat = torch.empty(shape.numel() if wanted else 0, device=self.device)
        own = iter(mine)
        work: list[dist.P2POp] = []
        for owner, start, size in self._pieces[name]:
            piece = next(own).reshape(-1) if owner == self.rank else None
            place = flat[start : start + size] if wanted else None
            if piece is not None and place is not None:
                place.copy_(piece)
            elif piece is not None:
                work.append(dist.P2POp(dist.isend, piece.to(self.device).contiguous(), to))
            elif place is not None:
                work.append(dist.P2POp(dist.irecv, place, owner))
        for one in dist.batch_isend_irecv(work) if work else ():
            one.wait()
        return flat.view(shape) if wanted else None

    def same(self, tensors: Iterable[Tensor]) -> None:
        """Make tensors that every process has what they are on the first; collective."""
        for tensor in tensors if self.world > 1 else ():
            value = tensor.detach().contiguous()
            dist.broadcast(value, 0)
            tensor.detach().copy_(value)


def divided(model: nn.Module, rank: int, world: int) -> list[Share]:
    """Equal numbers for each of `world` processes that have all weights, in runs of neighbours.

    Alone, every parameter as it is.
    """
    trained = [(name, p.detach()) for name, p in model.named_parameters() if p.requires_grad]
    if world == 1:
        return [Share(name, 0, p) for name, p in trained]
    total = sum(p.numel() for _, p in trained)
    first, last = total * rank // world, total * (rank + 1) // world
    shares, place = [], 0
    for name, p in trained:
        start, stop = max(first - place, 0), min(last - place, p.numel())
        if not p.is_contiguous():
            # Its numbers do not lie in their order, so it has no flat view: one process has it all.
            if first <= place < last:
                shares.append(Share(name, 0, p))
        elif start < stop:
            shares.append(Share(name, start, p.view(-1)[start:stop]))
        place += p.numel()
    return shares


def shapes_of(model: nn.Module) -> dict[str, torch.Size]:
    """Name -> shape of every parameter that is trained."""
    return {name: p.shape for name, p in model.named_parameters() if p.requires_grad}
