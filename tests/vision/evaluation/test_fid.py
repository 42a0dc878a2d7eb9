"""Distances of features: against closed forms, and errors against the spread over other draws."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from infonoise_vision.evaluation import fid as fidelity
from infonoise_vision.evaluation.fid import frechet_distance, kernel_distance, precision_recall

pytest.importorskip("torchmetrics")


def normal(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_frechet_distance_of_two_gaussians() -> None:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)); for a set times 3 and moved by 1 that is
    d + 4 tr C, with the sample's own C."""
    x = normal(500, 4)
    moved = 3 * (x - x.mean(0)) + x.mean(0) + 1
    exact = 4 + 4 * float(x.var(0).sum())
    assert frechet_distance(x, moved) == pytest.approx(exact, rel=1e-6)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_kernel_distance_is_the_unbiased_estimate() -> None:
    x, y = normal(30, 3), normal(30, 3, 1) + 0.5

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / 3 + 1) ** 3

    def within(a: Tensor) -> Tensor:
        k = kernel(a, a)
        return (k.sum() - k.diagonal().sum()) / (30 * 29)

    exact = float(within(x) + within(y) - 2 * kernel(x, y).mean())
    assert kernel_distance(x, y)[0] == pytest.approx(exact, rel=1e-5)


def test_kernel_distance_of_many_is_repeatable_and_leaves_the_random_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fidelity, "_SUBSETS", 4)
    monkeypatch.setattr(fidelity, "_SUBSET", 100)
    x, y = normal(120, 3), normal(120, 3, 1)
    state = torch.get_rng_state()
    assert kernel_distance(x, y) == kernel_distance(x, y)
    assert torch.equal(torch.get_rng_state(), state)
    # Fewer subsets leave more to the choice of them.
    few = kernel_distance(x, y)[1]
    monkeypatch.setattr(fidelity, "_SUBSETS", 16)
    assert kernel_distance(x, y)[1] < few


@pytest.mark.parametrize(
    ("n", "m", "shift", "subset"),
    [(60, 60, 0.0, 1000), (60, 60, 0.5, 1000), (60, 40, 0.5, 1000), (80, 80, 0.2, 40)],
)
def test_the_error_of_kernel_distance_is_its_spread_over_other_draws(
    n: int, m: int, shift: float, subset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root mean square of 200 errors over the spread of 200 values.

    A spread of 200 draws is off by a relative sqrt((k - 1) / 800), where k is the kurtosis: about 9
    for a sum of squares, which the distance is where both are the same, so by 0.1. The errors
    are estimates from heavy-tailed kernels, and their mean square is taken to be known no better.
    Four times both is 0.57. What 100 overlapping subsets of half the images say is a tenth of the
    spread, far outside."""
    monkeypatch.setattr(fidelity, "_SUBSET", subset)
    monkeypatch.setattr(fidelity, "_SUBSETS", 20)
    found = []
    for seed in range(200):
        rng = torch.Generator().manual_seed(seed)
        x, y = (torch.randn(k, 3, generator=rng).double() for k in (n, m))
        found.append(kernel_distance(x, y + shift, seed))
    values, errors = np.array(found).T
    ratio = math.sqrt(np.mean(errors**2)) / values.std(ddof=1)
    assert 0.6 < ratio < 1.6


def test_the_error_of_kernel_distance_has_the_terms_of_pairs_of_images() -> None:
    """Of two sets of +1 and -1 with shares p and q, where the kernel is linear in what is left of
    it: (xy + 1)^3 = 4 + 4xy, so the distance is 4 (mean x - mean y)^2 less its own bias, and for
    p = q = 1/2 its variance is that of pairs alone: 16 (2 + 2 + 4) / n^2."""
    n, found = 400, []
    for seed in range(40):
        rng = torch.Generator().manual_seed(seed)
        x, y = (torch.randint(0, 2, (n, 1), generator=rng).double() * 2 - 1 for _ in range(2))
        found.append(fidelity.kernel_variance(x, y))
    exact = 16 * 8 / n**2
    # Means of one image alone are no terms of it, but differ in a sample, by as much again at
    # most (a chi square with one degree of freedom); 40 of them average to a quarter of that.
    assert np.mean(found) == pytest.approx(exact, rel=0.5)


def test_precision_and_recall_of_sets_that_are_apart_and_that_hold_each_other() -> None:
    one, far = normal(200, 2), normal(200, 2, 1) + 100
    assert precision_recall(one, far) == (0, 0)
    assert precision_recall(one, one) == (1, 1)
    # Two clusters against one of them: all that is generated is real, half of the real is missing.
    both = torch.cat([normal(200, 2, 2), normal(200, 2, 3) + 100])
    precision, recall = precision_recall(both, both[:200])
    assert precision == 1
    assert recall == pytest.approx(0.5, abs=0.02)


SHARED = """
import sys, torch, torch.distributed as dist
from infonoise_vision.evaluation.fid import frechet_distance, kernel_distance
rank, where = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{where}", rank=rank, world_size=2)
rng = torch.Generator().manual_seed(0)
x, y = (torch.randn(40, 3, generator=rng) for _ in range(2))
print(frechet_distance(x, y), kernel_distance(x, y)[0])
"""


def test_processes_that_share_work_do_not_add_up_their_features(tmp_path: Path) -> None:
    """torchmetrics takes features of other processes for further ones, unless it is told."""
    command = [sys.executable, "-W", "ignore", "-c", SHARED]
    both = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store")], stdout=subprocess.PIPE)
        for rank in range(2)
    ]
    rng = torch.Generator().manual_seed(0)
    x, y = (torch.randn(40, 3, generator=rng) for _ in range(2))
    alone = frechet_distance(x, y), kernel_distance(x, y)[0]
    for process in both:
        out, _ = process.communicate(timeout=240)
        assert [float(word) for word in out.split()] == pytest.approx(alone, rel=1e-9)
