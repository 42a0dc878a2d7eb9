"""What a run reads of a source with bad records, whatever its ranks, workers and restarts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from infonoise_core import Denoiser, EDMDenoiser, LogUniform, VarianceExploding, edm_weight
from infonoise_core.errors import InputError
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.data.order import Order, micro_batches
from infonoise_core.training.data.prefetch import Prefetch
from infonoise_core.training.data.records import Examples, Record
from infonoise_core.training.data.shards import TarShards
from infonoise_core.training.loop import train
from infonoise_core.training.task import Batch, Losses, denoising_losses

from .record_sources import Numbers, quiet, value, write_tar


@given(
    st.integers(1, 40),
    st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 3), (4, 3)]),
    st.integers(0, 3),
    st.integers(0, 5),
)
def test_every_position_once_whatever_the_ranks_workers_and_restarts(
    n: int, division: tuple[int, int], workers: int, resumed_at: int
) -> None:
    """What all ranks read of a source with bad records, put in order, is what one process reads
    from the beginning."""
    world, accumulate = division
    batch, steps = 12, 7
    source = Numbers(n, frozenset(range(1, n, 3)))
    one = Examples(source, value, quiet(n))
    whole = one.take(Order(n, 0).indices(0, steps * batch).tolist())
    found: dict[int, int] = {}
    for rank in range(world):
        examples, order = Examples(source, value, quiet(n)), Order(n, 0)

        def fetch(
            start: int,
            count: int,
            examples: Examples[int] = examples,
            order: Order = order,
        ) -> list[tuple[int, int]]:
            read = examples.take(order.indices(start, count).tolist())
            return [*zip(range(start, start + count), read, strict=True)]

        plan = micro_batches(
            batch, range(resumed_at, steps), rank=rank, world=world, grad_accum=accumulate
        )
        with Prefetch(fetch, plan, workers) as batches:
            for pairs in batches:
                for position, example in pairs:
                    assert position not in found
                    found[position] = example
    assert [found[k] for k in sorted(found)] == whole[resumed_at * batch :]


class Shades:
    """Two numbers a record, from shards of which some records are bad."""

    dim = 2

    def __init__(self, pattern: str, seen: list[int], stop_after: int = 10**9) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.denoiser: nn.Module = EDMDenoiser(TwoNumbers(), sigma_data=1.0)
        self.examples = Examples(TarShards(pattern, ("f32",)), self.decode, quiet(6))
        self.seen, self.stop_after = seen, stop_after

    @staticmethod
    def decode(record: Record) -> torch.Tensor:
        if len(record["f32"]) != 8:
            raise InputError(f"{len(record['f32'])} bytes are no two numbers")
        return torch.frombuffer(bytearray(record["f32"]), dtype=torch.float32)

    def __len__(self) -> int:
        return len(self.examples)

    def batch(self, index: np.ndarray) -> Batch:
        if len(self.seen) >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += index.tolist()
        return Batch(torch.stack(self.examples.take(index)))

    def losses(
        self, denoiser: Denoiser, batch: Batch, sigma: torch.Tensor, eps: torch.Tensor
    ) -> Losses:
        return denoising_losses(denoiser, batch, sigma, eps, edm_weight(1.0))


class TwoNumbers(nn.Linear):
    def __init__(self) -> None:
        super().__init__(3, 2)

    def forward(self, x: torch.Tensor, c_noise: torch.Tensor) -> torch.Tensor:
        return super().forward(torch.cat([x, c_noise[:, None]], 1))


def test_a_run_over_shards_with_bad_records_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(3, 7, 2)).astype(np.float32)
    for shard in range(3):
        members = [(f"{i}.f32", numbers[shard, i].tobytes()) for i in range(7)]
        members[shard] = (f"{shard}.f32", b"cut")
        members[6] = ("6.txt", b"no numbers")
        write_tar(tmp_path / f"{shard}.tar", members)
    pattern = f"{tmp_path}/{{0..2}}.tar"
    config = TrainConfig(steps=12, batch_size=8, save_every=5, log_every=5, eval_every=0)
    channel = VarianceExploding(0.02, 20.0)

    def run(out: str, seen: list[int], stop_after: int = 10**9) -> dict[str, torch.Tensor]:
        task = Shades(pattern, seen, stop_after)
        trained = train(task, LogUniform(channel), config, tmp_path / out)
        # Three are too short, and three have no numbers.
        assert len(task.examples.bad) == 6
        return trained.denoiser.state_dict()

    whole: list[int] = []
    first: list[int] = []
    second: list[int] = []
    uncut = run("whole", whole)
    with pytest.raises(KeyboardInterrupt):
        run("cut", first, stop_after=7 * 8)
    resumed = run("cut", second)
    assert first[: 5 * 8] + second == whole
    assert all(torch.equal(a, b) for a, b in zip(uncut.values(), resumed.values(), strict=True))
