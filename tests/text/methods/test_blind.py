"""Blocks of one token without noise: what the loop gets, and what a run that has nothing else does.

The text before a token tells all that there is to be learned of it: what its noisy bits tell is
known.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from infonoise_core.errors import InputError
from infonoise_core.schedules.fixed import LogUniform
from infonoise_core.training.task import Losses, PartLosses
from infonoise_text.data.corpus import Split, SplitCounts
from infonoise_text.domain import TextDomain
from infonoise_text.evaluation.in_order import BothWays, InOrder, told_nats
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.bits import Bits
from infonoise_text.methods.options import Objective, TextOptions
from infonoise_text.methods.task import TextTask
from infonoise_text.models.denoiser import BitDenoiser
from infonoise_text.models.vocabulary import Vocabulary
from infonoise_text.sampling.options import TextSampler

from .test_task import BOOK, L


def split_of(windows: int) -> Split:
    ids = np.random.default_rng(0).integers(0, 5, windows * L).astype(np.uint16)
    return Split("train", ids, SplitCounts(1, len(ids), len(ids), ""))


def method(**change: Any) -> Bits:
    objective = Objective(**{"length": L, "infill": 0.0, "self_cond": 0.0, **change})
    return Bits(objective, Assets(None, BOOK))  # type: ignore[arg-type]


def learned(bits: Bits) -> tuple[TextTask, BitDenoiser]:
    """With random weights everywhere, as after training."""
    denoiser, rng = bits.network(0), torch.Generator().manual_seed(1)
    task = bits.task(split_of(40), denoiser)
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.2, generator=rng)
    return task, denoiser.eval()


def losses(task: TextTask, denoiser: BitDenoiser, n: int) -> tuple[Losses | PartLosses, Any]:
    batch = task.batch(np.arange(n)).to(torch.device("cpu"))
    rng = torch.Generator().manual_seed(2)
    sigma, eps = torch.rand(n, generator=rng), torch.randn(batch.x0.shape, generator=rng)
    torch.manual_seed(3)
    return task.losses(denoiser, batch, sigma, eps), batch.x0


@torch.no_grad()
def test_examples_in_order_cost_what_the_text_before_leaves_and_report_no_error() -> None:
    task, denoiser = learned(method())
    found, x0 = losses(task, denoiser, 9)
    assert isinstance(found, PartLosses)
    assert isinstance(denoiser.groups, Vocabulary)
    told = told_nats(denoiser, denoiser.groups, x0) / task.free
    ordered = [i for i in range(9) if i not in found.rows.tolist()]
    assert len(ordered) in (4, 5)
    assert len(found.squared_error) == len(found.rows) == 9 - len(ordered)
    torch.testing.assert_close(found.loss[ordered], told[ordered], rtol=1e-5, atol=0)
    assert not bool(torch.isclose(found.loss[found.rows], told[found.rows]).any())


@torch.no_grad()
def test_the_errors_of_whole_windows_are_those_of_their_own_levels() -> None:
    """As a run of whole windows alone reports them; the same network, the same noises."""
    task, denoiser = learned(method())
    found, x0 = losses(task, denoiser, 9)
    assert isinstance(found, PartLosses)
    rng = torch.Generator().manual_seed(2)
    sigma, eps = torch.rand(9, generator=rng), torch.randn(x0.shape, generator=rng)
    error = (denoiser(x0 + sigma[:, None, None] * eps, sigma) - x0).square().flatten(1).sum(1)
    torch.testing.assert_close(found.squared_error, error[found.rows], rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_one_example_alone_is_learned_both_ways() -> None:
    task, denoiser = learned(method(ordered=0.25))
    found, x0 = losses(task, denoiser, 1)
    assert isinstance(found, Losses)
    assert found.squared_error is not None
    assert found.squared_error.shape == (1,)
    assert isinstance(denoiser.groups, Vocabulary)
    told = told_nats(denoiser, denoiser.groups, x0) / task.free
    # What is left is the loss of the whole window, by the same noise.
    rng = torch.Generator().manual_seed(2)
    sigma, eps = torch.rand(1, generator=rng), torch.randn(x0.shape, generator=rng)
    answer = denoiser(x0 + sigma[:, None, None] * eps, sigma, joint=True)
    whole = denoiser.groups.cost(answer, x0)[0].sum(1) / task.free
    torch.testing.assert_close(found.loss, 0.25 * told + 0.75 * whole, rtol=1e-5, atol=0)


def test_a_run_in_order_alone_has_no_noise_levels() -> None:
    bits = method(ordered=1.0)
    assert not bits.has_levels
    assert bits.profile_files == ()
    task, denoiser = learned(bits)
    with torch.no_grad():
        found, _ = losses(task, denoiser, 4)
    assert found.squared_error is None
    split = split_of(40)
    assert isinstance(bits.schedules(split)("infonoise", 10), LogUniform)
    assert isinstance(bits.evaluation(split, 4), InOrder)
    made = bits.generate(denoiser, 3, L, TextSampler(steps=1), ())
    assert made.nfe == 1
    with pytest.raises(InputError, match="draws each token in one call"):
        bits.check(TextSampler(steps=8), ())
    options = TextOptions(objective=bits.objective)
    assert "--ordered 1 has no noise levels" in TextDomain.without_levels(None, options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change", [{"block_noise": True}, {"predict": "groups"}, {"block": 2}, {"loss": "bce"}], ids=str
)
def test_all_other_blocks_are_learned_at_every_noise_level(change: dict[str, Any]) -> None:
    bits = method(**change)
    assert bits.has_levels
    assert not bits.network(0).blind
    task, denoiser = learned(bits)
    with torch.no_grad():
        found, _ = losses(task, denoiser, 9)
    assert isinstance(found, Losses)
    assert found.squared_error is not None
    assert len(found.squared_error) == 9
    options = TextOptions(objective=bits.objective)
    assert TextDomain.without_levels(None, options) == ""  # type: ignore[arg-type]


def test_both_ways_are_measured_while_training() -> None:
    assert isinstance(method().evaluation(split_of(40), 4), BothWays)
    names = list(method().evaluations(split_of(40), 4, TextSampler(), (None,)))
    assert names == ["bits, one pass", "bits, two passes", "bits, blocks of 1"]
