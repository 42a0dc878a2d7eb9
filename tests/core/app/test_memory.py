"""Estimates of memory: closed forms, and what real processes were seen to hold."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from infonoise_core.app.memory import activation_bytes, estimate
from infonoise_core.errors import InputError
from infonoise_core.training.config import EngineConfig
from infonoise_core.training.engines.base import recompute_blocks
from infonoise_core.training.task import Batch
from of_training import memory as bench

MIB = 2**20
STAGES = (0, 1, 2, 3)


def test_one_plain_process_needs_twenty_bytes_a_parameter() -> None:
    found = estimate(1000, EngineConfig(), activations=7)
    assert found.kept == 16_000  # weights, average, two moments
    assert found.peak == 20_007


@pytest.mark.parametrize("zero", [1, 2, 3])
def test_what_is_updated_on_the_host_leaves_the_device(zero: Any) -> None:
    """Of 4000 numbers on 4 processes a part has 4000 bytes."""
    there, gone = (
        estimate(4000, EngineConfig(engine="deepspeed", zero=zero, offload=offload), 4)
        for offload in ("none", "optimizer")
    )
    # Weights to update, gradients, average, moments, and a buffer or two; stage 3 has its
    # gradients there alone.
    assert gone.host == (7 if zero == 2 else 6) * 4000
    assert there.kept - gone.kept == (5 if zero == 3 else 4) * 4000
    assert there.host == gone.average == gone.optimizer == 0
    assert gone.peak < there.peak


def test_only_what_zero_splits_goes_to_the_host() -> None:
    for engine in ({}, {"engine": "deepspeed", "zero": 0}):
        with pytest.raises(InputError, match="give --zero 1, 2 or 3"):
            estimate(1000, EngineConfig(**engine, offload="optimizer"))


def test_weights_in_bf16_need_two_bytes_and_no_copies() -> None:
    """Of 4000 numbers on 4 processes: 2 bytes each, and of a quarter masters, moments, average."""
    for zero in (1, 2):
        low = EngineConfig(
            engine="deepspeed",
            zero=zero,
            precision="bf16",
            bf16_weights=True,  # type: ignore[arg-type]
        )
        found = estimate(4000, low, 4)
        assert found.kept == 2 * 4000 + 16 * 1000
        assert found.copies == 0
    with pytest.raises(InputError, match="--bf16-weights: give --precision bf16"):
        estimate(4000, EngineConfig(precision="bf16", bf16_weights=True), 4)


def test_bf16_adds_copies_of_the_weights() -> None:
    low = estimate(1000, EngineConfig(precision="bf16"))
    assert low.peak - estimate(1000, EngineConfig()).peak == 2_000


# 10 million: below it buckets, which are not split, hide what is.
@given(
    st.integers(10**7, 10**10), st.integers(2, 512), st.sampled_from(("fp32", "bf16")),
    st.sampled_from((1, 2)),
)  # fmt: skip
def test_a_higher_stage_keeps_less_and_more_processes_need_no_more(
    parameters: int, processes: int, precision: Any, accumulate: int
) -> None:
    engines = [
        EngineConfig(engine="deepspeed", zero=z, precision=precision, grad_accum=accumulate)
        for z in STAGES[:3]
    ]
    found = [estimate(parameters, engine, processes) for engine in engines]
    assert found[0].kept > found[1].kept == found[2].kept
    for engine, fewer in zip(engines, found, strict=True):
        assert estimate(parameters, engine, processes + 1).peak <= fewer.peak


@pytest.mark.parametrize("numbers", [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_what_is_no_size_is_refused(numbers: tuple[int, int, int]) -> None:
    parameters, processes, activations = numbers
    with pytest.raises(InputError, match="give at least 1, 1 and 0"):
        estimate(parameters, EngineConfig(), processes, activations)


class Blocks(nn.Module):
    """Residual blocks that each keep two tensors: what enters and what SiLU reads."""

    def __init__(self, width: int = 16, depth: int = 5) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 3 * width), nn.SiLU(), nn.Linear(3 * width, width))
            for _ in range(depth)
        )

    def forward(self, x: Tensor, sigma: Tensor, shift: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x + shift


def batch(n: int = 4) -> Batch:
    return Batch(torch.zeros(n, 16), {"shift": torch.zeros(n, 1)})


@pytest.mark.parametrize("n", [1, 4])
def test_activations_have_a_closed_form(n: int) -> None:
    # Of each block: its input (16), before and after SiLU (2 * 48). Then what the last block gives,
    # or the output, which holds its values anew; and the condition. fp32.
    each = 5 * (16 + 2 * 48) + 16 + 1
    assert activation_bytes(Blocks(), batch(n)) == 4 * n * each


def test_activations_need_no_memory_for_the_weights() -> None:
    with torch.device("meta"):
        huge = Blocks(width=2**17, depth=2)
    x = torch.empty(1, 2**17, device="meta")
    given = Batch(x, {"shift": torch.empty(1, 1, device="meta")})
    assert activation_bytes(huge, given) > 2 * 7 * 2**17 * 4


def test_bf16_halves_what_linear_layers_keep() -> None:
    fp32, bf16 = (activation_bytes(Blocks(), batch(), p) for p in ("fp32", "bf16"))
    assert bf16 < 0.75 * fp32


def test_blocks_that_are_computed_again_keep_their_input() -> None:
    model = Blocks()
    recompute_blocks(model)
    # Input of each block; the output; the condition.
    assert activation_bytes(model, batch()) == 4 * 4 * (6 * 16 + 1)


def test_asking_leaves_the_network_alone() -> None:
    model = Blocks()
    before = {name: (id(p), p.clone()) for name, p in model.named_parameters()}
    activation_bytes(model, batch())
    for name, p in model.named_parameters():
        assert id(p) == before[name][0]
        assert p.grad is None
        assert torch.equal(p, before[name][1])


def launched(settings: list[dict[str, Any]], world: int) -> list[dict[str, Any]]:
    """What rank 0 of `world` processes has measured, for each setting."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(world)]
    command = [
        sys.executable, "-W", "ignore", *launcher, "--master-port", str(port), bench.__file__,
        *(json.dumps({"device": "cpu", **s}) for s in settings),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    return [json.loads(line.split("\t")[1]) for line in done.stdout.splitlines() if "\t" in line]


def assert_as_estimated(found: dict[str, Any], more: int = 0) -> None:
    """The network has 8.5 M parameters: 32.5 MiB of fp32, and half of that is the smallest term of
    two processes. The tolerance is below it, so that a term forgotten or counted twice shows; it
    leaves room for one layer's gradient (4 MiB) between network and bucket, and for what pages hold
    beside tensors (stacks, the heap: up to 5 MiB were seen). The host's memory counts as well.
    """
    slack = 12 * MIB + more
    parts = found["estimated"]
    kept = sum(parts[name] for name in ("weights", "average", "optimizer", "buffers", "host"))
    forward = parts["copies"] + parts["activations"]
    most = kept + max(parts["backward"] + forward, parts["update"])
    assert abs(found["kept"] - kept) < slack, found
    # An upper bound: activations may be gone when the most gradients are there.
    assert most - forward - slack < found["peak"] < most + slack, found


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="pages are counted on Linux only"
)


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("world", [1, 2])
def test_torch_holds_what_is_estimated(world: int) -> None:
    settings = [{}, {"grad_accum": 2}, {"precision": "bf16"}]
    found = launched(settings, world)
    assert len(found) == len(settings)
    for one in found:
        assert_as_estimated(one)


@pytest.mark.slow
@pytest.mark.deepspeed
@needs_proc
def test_deepspeed_holds_what_is_estimated() -> None:
    settings: list[dict[str, Any]] = [{"zero": zero} for zero in STAGES]
    settings += [{"zero": zero, "grad_accum": 2} for zero in (1, 2, 3)]
    found = launched([{"engine": "deepspeed", **s} for s in settings], world=2)
    assert len(found) == len(settings)
    for one in found:
        assert_as_estimated(one)


@pytest.mark.slow
@pytest.mark.deepspeed
@needs_proc
def test_what_is_updated_on_the_host_is_there() -> None:
    host = {"engine": "deepspeed", "offload": "optimizer"}
    found = launched([{**host, "zero": zero} for zero in (1, 2, 3)], world=2)
    assert len(found) == 3
    for one in found:
        # Two buffers of the largest layer, 4 MiB each.
        assert_as_estimated(one, 8 * MIB)


@pytest.mark.slow
@pytest.mark.deepspeed
@needs_proc
def test_weights_in_bf16_hold_what_is_estimated() -> None:
    low = {"engine": "deepspeed", "precision": "bf16", "bf16_weights": True}
    found = launched([{**low, "zero": zero} for zero in (1, 2, 3)], world=2)
    assert len(found) == 3
    for one in found:
        assert_as_estimated(one)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_holds_what_is_estimated(precision: Any) -> None:
    found = bench.measure(EngineConfig(device="cuda", precision=precision))
    slack = 12 * MIB
    assert abs(found.kept - found.estimated.kept) < slack
    assert found.peak < found.estimated.peak + slack
