"""The last few losses of every noise-level bin, kept on the device."""

from typing import Any

import torch
from torch import Tensor

from infonoise_core.binning import same_edges
from infonoise_core.errors import InputError

VERSION = 1


class LossHistory:
    """A ring of the `depth` most recent losses per bin; observing never waits for the device.

    Args:
        edges: (K+1,) sigma. Under torch.distributed every rank keeps the losses it saw, and
            `merge` pools their moments.
    """

    def __init__(self, edges: Tensor, depth: int = 10) -> None:
        if depth < 1:
            raise InputError(f"a history of {depth} losses per bin: give at least 1")
        self.edges = edges.detach().to("cpu", torch.float64)
        self.depth = depth
        bins = len(self.edges) - 1
        # One slot more than the rings need: what must not be kept is written there.
        self._losses = torch.zeros(bins * depth + 1, dtype=torch.float64)
        self._written = torch.zeros(bins, dtype=torch.int64)
        self._inner = self.edges[1:-1].log()
        self.count = torch.zeros(bins, dtype=torch.float64)
        self._squares = torch.zeros(bins, dtype=torch.float64)

    def observe(self, sigma: Tensor, loss: Tensor) -> None:
        """Add n losses, sigma and loss of shape (n,); non-finite ones are left out."""
        if sigma.shape != loss.shape or sigma.dim() != 1:
            raise InputError(
                f"observe wants sigma and loss of one shape (n,), got {tuple(sigma.shape)} and"
                f" {tuple(loss.shape)}: sum the error over an example's dimensions"
            )
        if loss.device != self._losses.device:
            self._move(loss.device)
        with torch.no_grad():
            loss = loss.detach().to(self._losses.dtype)
            valid = loss.isfinite() & sigma.isfinite()
            log_sigma = sigma.detach().to(self._inner.dtype).log()
            bins = torch.bucketize(log_sigma, self._inner, right=True)
            numbers = torch.arange(len(self._written), device=bins.device)
            # Row i holds how many losses of each bin rows 0..i brought.
            arrived = ((bins[:, None] == numbers) & valid[:, None]).cumsum(0)
            rank, total = arrived.gather(1, bins[:, None])[:, 0] - 1, arrived[-1]
            recent = valid & (total[bins] - rank <= self.depth)
            slot = bins * self.depth + (self._written[bins] + rank) % self.depth
            slot = torch.where(recent, slot, len(self._losses) - 1)
            self._losses.scatter_(0, slot, torch.where(recent, loss, 0))
            self._written += total

    def merge(self) -> None:
        """Read the histories out, pooled over ranks: a collective under torch.distributed."""
        squares = self._losses[:-1].square().reshape(-1, self.depth).sum(1)
        count = self._written.clamp_max(self.depth).to(squares.dtype)
        moments = torch.stack([count, squares])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(moments)
        self.count, self._squares = moments.to("cpu", torch.float64).unbind()

    @property
    def second_moment(self) -> Tensor:
        """(K,) mean squared loss as of the last merge; nan where nothing was seen."""
        return self._squares / self.count

    def state_dict(self) -> dict[str, Any]:
        """Everything this rank holds; copies."""
        return {
            "version": VERSION,
            "edges": self.edges.clone(),
            "losses": self._losses[:-1].detach().clone(),
            "written": self._written.detach().clone(),
            "count": self.count.clone(),
            "squares": self._squares.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state over; InputError when it belongs to another grid, depth or version."""
        same_grid = same_edges(state["edges"], self.edges)
        if state["version"] != VERSION or not same_grid:
            raise InputError(
                "the checkpoint's loss history has another version or grid:"
                " resume with the same release, channel and bins"
            )
        if len(state["losses"]) != len(self._losses) - 1:
            raise InputError(
                f"the checkpoint's loss history holds {len(state['losses'])} losses, this one"
                f" {len(self._losses) - 1}: resume with the same history"
            )
        self._losses[:-1].copy_(state["losses"])
        self._written.copy_(state["written"])
        self.count = state["count"].to("cpu", torch.float64, copy=True)
        self._squares = state["squares"].to("cpu", torch.float64, copy=True)

    def _move(self, device: torch.device) -> None:
        # MPS knows no float64.
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self._losses = self._losses.to(device, dtype)
        self._inner = self._inner.to(device, dtype)
        self._written = self._written.to(device)
