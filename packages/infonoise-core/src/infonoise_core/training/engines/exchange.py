"""The mean of gradients over processes, taken in buckets while the backward pass still runs."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

# Numbers exchanged at once: enough that the time is that of bytes and not of messages (Li et al.
# 2020, PyTorch Distributed), few beside the gradients of a network that is worth dividing.
BUCKET = 6_250_000


class GradientMean:
    """Replaces each gradient by its mean over all processes.

    Buckets lie in the reverse order of the parameters, about that in which gradients come, and each
    sets out when it is full; the gradients are then views of it, so nothing is kept twice.

    Args:
        parameters: The same on every process.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], world: int) -> None:
        self._world, self.on = world, False
        self._buckets = _buckets(parameters)
        self._of = {p: i for i, bucket in enumerate(self._buckets) for p in bucket}
        self._restart()
        for p in parameters:
            p.register_post_accumulate_grad_hook(self._came)  # type: ignore[no-untyped-call]

    def finish(self) -> None:
        """Wait for all of them, those of parameters that had no gradient here too; collective."""
        while len(self._sent) < len(self._buckets):
            self._send()
        for (flat, work), bucket in zip(self._sent, self._buckets, strict=True):
            work.wait()
            missing = [p.grad is None for p in bucket]
            if any(missing):
                had = flat[-len(bucket) :].tolist()
                for p, value, share in zip(bucket, _split(flat, bucket), had, strict=True):
                    if p.grad is None and share > 0:
                        p.grad = value
        self._restart()

    def _restart(self) -> None:
        self._waited_for = [len(bucket) for bucket in self._buckets]
        self._sent: list[tuple[Tensor, dist.Work]] = []

    def _came(self, p: nn.Parameter) -> None:
        if not self.on:
            return
        self._waited_for[self._of[p]] -= 1
        # In one order on every process, whatever the order of the gradients.
        while len(self._sent) < len(self._buckets) and not self._waited_for[len(self._sent)]:
            self._send()

    @torch.no_grad()
    def _send(self) -> None:
        bucket = self._buckets[len(self._sent)]
        grads = [p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1) for p in bucket]
        # After the gradients, the share of processes that had one of each parameter.
        had = grads[0].new_ones(len(bucket))
        for i, p in enumerate(bucket):
            if p.grad is None:
                had[i] = 0
        flat = torch.cat([*grads, had])
        for p, value in zip(bucket, _split(flat, bucket), strict=True):
            if p.grad is not None:
                p.grad = value
        flat /= self._world
        self._sent.append((flat, dist.all_reduce(flat, async_op=True)))


def _split(flat: Tensor, bucket: list[nn.Parameter]) -> list[Tensor]:
    """The gradients in a bucket, as views of it."""
    values = torch.split(flat[: -len(bucket)], [p.numel() for p in bucket])
    return [value.view_as(p) for p, value in zip(bucket, values, strict=True)]


def _buckets(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    found: list[list[nn.Parameter]] = []
    size = BUCKET
    for p in reversed(parameters):
        if size >= BUCKET or p.dtype != found[-1][-1].dtype:
            found.append([])
            size = 0
        found[-1].append(p)
        size += p.numel()
    return found
