"""What every adaptive law must bear: restarts, losses that are not finite, several ranks."""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from infonoise_core.analytic.exact import exact_profile
from infonoise_core.errors import InputError
from infonoise_core.schedules.adaptive import AdaptiveLoss, LossSecondMoment
from infonoise_core.schedules.fixed import LogUniform
from infonoise_core.schedules.frozen import FrozenProfile
from infonoise_core.schedules.table import TableLaw

from .exact_training import (
    CHANNEL,
    SOURCES,
    WEIGHT,
    centres,
    distance,
    learners,
    squared_error,
    train,
)


@learners
def test_state_round_trip_is_bit_for_bit(make: Callable[[], TableLaw]) -> None:
    whole, first = make(), make()
    source = SOURCES["binary"]
    for law in (whole, first):
        # 13 steps: the state is taken between two refreshes.
        train(law, source, 13, seed=1)  # type: ignore[arg-type]
    resumed = make()
    resumed.load_state_dict(first.state_dict())  # type: ignore[attr-defined]
    for law in (whole, resumed):
        train(law, source, 12, seed=2)  # type: ignore[arg-type]
    assert torch.equal(whole._density, resumed._density)
    assert torch.equal(whole._lines, resumed._lines)
    assert not torch.equal(whole._density, first._density)
    draws = [law.sample(64, generator=torch.Generator().manual_seed(0)) for law in (whole, resumed)]
    assert torch.equal(*draws)


@learners
def test_saved_state_is_a_copy(make: Callable[[], TableLaw]) -> None:
    law = make()
    train(law, SOURCES["binary"], 13)  # type: ignore[arg-type]
    state = law.state_dict()  # type: ignore[attr-defined]
    before = repr(state)
    train(law, SOURCES["gaussian"], 13)  # type: ignore[arg-type]
    assert repr(state) == before


def test_states_of_other_laws_and_grids_are_refused() -> None:
    second, loss = LossSecondMoment(CHANNEL), AdaptiveLoss(CHANNEL)
    with pytest.raises(InputError, match=r"AdaptiveLoss.*LossSecondMoment"):
        second.load_state_dict(loss.state_dict())
    with pytest.raises(InputError, match="grid"):
        second.load_state_dict(LossSecondMoment(CHANNEL, bins=32).state_dict())
    with pytest.raises(InputError, match="resume with the same history"):
        second.load_state_dict(LossSecondMoment(CHANNEL, history=20).state_dict())
    with pytest.raises(InputError, match="32 bins"):
        loss.load_state_dict(AdaptiveLoss(CHANNEL, bins=32).state_dict())
    with pytest.raises(InputError, match="None version None"):
        loss.load_state_dict({})
    profile = exact_profile(SOURCES["binary"], 0.02, 20.0)
    frozen = FrozenProfile(CHANNEL, profile, WEIGHT)
    other = FrozenProfile(CHANNEL, profile)
    other.load_state_dict(frozen.state_dict())
    assert torch.equal(other._density, frozen._density)
    wider = exact_profile(SOURCES["binary"], 0.02, 20.0, bins=32)
    with pytest.raises(InputError, match="another grid"):
        other.load_state_dict(FrozenProfile(CHANNEL, wider).state_dict())


@learners
def test_non_finite_losses_leave_no_trace(make: Callable[[], TableLaw]) -> None:
    clean, dirty = make(), make()
    source = SOURCES["gaussian"]
    bad = torch.tensor([math.nan, math.inf, -math.inf]).repeat(20)
    for law in (clean, dirty):
        rng = torch.Generator().manual_seed(0)
        for _ in range(30):
            u = law.sample(512, generator=rng)
            error = squared_error(source, u, rng)
            if law is dirty:
                u, error = torch.cat([u[:60], u]), torch.cat([bad, error])
            law.observe(u, error)  # type: ignore[attr-defined]
            law.step()  # type: ignore[attr-defined]
    # The same sums in another order.
    torch.testing.assert_close(dirty._density, clean._density, rtol=1e-9, atol=0)
    assert distance(dirty, LogUniform(CHANNEL).density(centres(dirty))) > 0.2


@learners
def test_a_window_of_nan_alone_leaves_the_law_usable(make: Callable[[], TableLaw]) -> None:
    law = make()
    for seed in range(3):
        if seed != 1:
            train(law, SOURCES["gaussian"], 20, seed)  # type: ignore[arg-type]
        else:
            before = law._density.clone()
            for _ in range(20):
                law.observe(law.sample(64), torch.full((64,), math.nan))  # type: ignore[attr-defined]
                law.step()  # type: ignore[attr-defined]
            torch.testing.assert_close(law._density, before, rtol=1e-12, atol=0)
        total = (law._density * law.edges.log().diff()).sum()
        assert float(total) == pytest.approx(1, abs=1e-12)
    # From the very first step on nothing but NaN: the base law stays.
    law = make()
    for _ in range(20):
        law.observe(law.sample(64), torch.full((64,), math.nan))  # type: ignore[attr-defined]
        law.step()  # type: ignore[attr-defined]
    assert torch.equal(law._density, law._base)


@learners
def test_nothing_waits_for_the_device_between_refreshes(make: Callable[[], TableLaw]) -> None:
    law = make()
    train(law, SOURCES["gaussian"], 5)  # type: ignore[arg-type]
    # Fake tensors have no values: whatever reads one on the host raises.
    with FakeTensorMode(allow_non_fake_inputs=True):
        u = law.sample(32)
        law.importance_weight(u)
        law.observe(u, torch.ones(32))  # type: ignore[attr-defined]
        law.step()  # type: ignore[attr-defined]
        assert type(u).__name__ == "FakeTensor"


@pytest.mark.gpu
@learners
def test_nothing_waits_for_the_gpu_between_refreshes(make: Callable[[], TableLaw]) -> None:
    law, cuda = make(), torch.device("cuda")
    rng = torch.Generator(cuda).manual_seed(0)
    error = torch.ones(32, device=cuda)
    # The first call moves the tables.
    law.observe(law.sample(32, cuda, rng), error)  # type: ignore[attr-defined]
    torch.cuda.set_sync_debug_mode("error")
    try:
        u = law.sample(32, cuda, rng)
        law.importance_weight(u)
        law.observe(u, error)  # type: ignore[attr-defined]
        law.step()  # type: ignore[attr-defined]
    finally:
        torch.cuda.set_sync_debug_mode("default")


RANK = """
import sys, torch
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.schedules.adaptive import AdaptiveLoss, LossSecondMoment, TimeWarp

rank, store = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
for law in (LossSecondMoment, AdaptiveLoss, TimeWarp):
    schedule = law(VarianceExploding(0.02, 20.0), refresh_every=5)
    rng = torch.Generator().manual_seed(rank)
    for _ in range(20):
        u = schedule.sample(256, generator=rng)
        schedule.observe(u, u**2 / (1 + u**2) * torch.rand(256, generator=rng))
        schedule.step()
    tables = [torch.zeros_like(schedule._density) for _ in range(2)]
    torch.distributed.all_gather(tables, schedule._density)
    assert torch.equal(*tables), law
    assert not torch.equal(schedule._density, schedule._base), law
"""


@pytest.mark.slow
def test_two_ranks_hold_one_table(tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), (tmp_path / "store").as_uri()],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [rank.communicate(timeout=120)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], errors
