"""Checkpoints that go to disk while training goes on, one at a time."""

import threading
from collections.abc import Callable, Iterable

import torch.distributed as dist
from torch import Tensor

from infonoise_core.training.saving.contents import Peers
from infonoise_core.training.saving.writing import Writing

# Brings tensors to disk, which these processes do together; collective.
Finish = Callable[[Iterable[Tensor], Peers], None]


class Saver:
    """Who brings checkpoints to disk.

    Args:
        peers: All processes of the run.
        apart: While training goes on; this process's share of a checkpoint is copied to the
            host's memory for that.
    """

    def __init__(self, peers: Peers, *, apart: bool) -> None:
        self.peers, self._apart = peers, peers
        self._thread: threading.Thread | None = None
        self._problem: BaseException | None = None
        self._copies = apart
        if apart and peers.world > 1:
            # Of its own, so that it does not mix with what training exchanges meanwhile.
            self._apart = Peers(peers.rank, peers.world, dist.new_group(backend="gloo"))

    @property
    def failed(self) -> bool:
        """Whether the last checkpoint, which was written apart, is known not to be whole."""
        return self._problem is not None

    def start(self, writing: Writing, finish: Finish) -> None:
        """Write a checkpoint, after `wait`; collective."""
        if not self._copies:
            finish(writing.tensors(), self.peers)
            return
        held = [tensor.to("cpu", copy=True) for tensor in writing.tensors()]
        # One that ends with the process: what it has not finished is as if it had not begun.
        self._thread = threading.Thread(target=self._run, args=(finish, held), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until what was started is on disk; raises what it has raised, on every process."""
        self.join()
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem

    def join(self) -> None:
        """The same, without a word about how it went."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, finish: Finish, held: list[Tensor]) -> None:
        try:
            finish(held, self._apart)
        except BaseException as error:
            self._problem = error
