"""A verb under a launcher: the processes share its work, and the first one speaks and writes."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from infonoise_core.together import together
from infonoise_core.training.engines.ranks import Ranks, others_alive


@contextmanager
def spread(device: str) -> Iterator[Ranks]:
    """Share what is done inside among the processes that a launcher has started.

    All but the first are silent. Without a launcher there is one, and nothing changes.

    Raises:
        InputError: Where another process has ended.
    """
    ranks = Ranks(device)
    with others_alive(ranks.world), together(ranks.rank, ranks.world), ExitStack() as stack:
        if ranks.rank:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        yield ranks


@contextmanager
def written_once(out: Path | None, rank: int) -> Iterator[Path | None]:
    """Where a process writes what all have: the first one to `out`, others to where it vanishes."""
    if rank == 0:
        yield out
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / ("out" if out is None else out.name)
