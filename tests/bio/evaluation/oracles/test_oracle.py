"""A user's own model as judge, and the distance in its features against closed forms."""

import numpy as np
import pytest
import torch

from infonoise_bio.alphabet import MASKED
from infonoise_bio.evaluation.oracles.oracle import Oracle, frechet_distance
from infonoise_core.errors import InputError


class Shares(torch.nn.Module):
    """(n, 4, L) -> share of each base (n, 4)."""

    def forward(self, bases: torch.Tensor) -> torch.Tensor:
        return bases.mean(2)


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "shares.pt2"
    batch = torch.export.Dim("batch", min=1, max=4096)
    exported = torch.export.export(Shares(), (torch.zeros(3, 4, 10),), dynamic_shapes=({0: batch},))
    torch.export.save(exported, path)
    return path


def test_features_are_the_programs(program):
    codes = np.array([[0, 0, 0, 0, 0, 1, 1, 1, 2, MASKED]] * 300, np.uint8)
    found = Oracle(program).features(codes)
    np.testing.assert_allclose(found, np.tile([0.5, 0.3, 0.1, 0.0], (300, 1)), atol=1e-6)


def test_what_is_no_program_or_has_another_shape(program, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        Oracle(tmp_path / "none.pt2")
    other = tmp_path / "other.pt2"
    other.write_text("weights")
    with pytest.raises(InputError, match=r"other\.pt2: is no program"):
        Oracle(other)
    with pytest.raises(InputError, match=r"does not take sequences of shape \(2, 4, 7\)"):
        Oracle(program).features(np.zeros((2, 7), np.uint8))


class Gives(torch.nn.Module):
    """(n, 4, L) -> whatever a function makes of it."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, bases: torch.Tensor):
        return self.function(bases)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: (x.mean(2), x.amax(2)), "gives a tuple; export a program"),
        (lambda x: {"one": x.mean(2)}, "gives a dict; export a program"),
        (lambda x: x.sum(), r"gives shape \(\) for 2 sequences"),
        (lambda x: x.sum(0), r"gives shape \(4, 7\) for 2 sequences"),
        (lambda x: x.sum((1, 2)) / 0, "not finite"),
    ],
)
def test_what_gives_no_features(function, words, tmp_path):
    path = tmp_path / "odd.pt2"
    torch.export.save(torch.export.export(Gives(function), (torch.zeros(2, 4, 7),)), path)
    with pytest.raises(InputError, match=words):
        Oracle(path).features(np.zeros((2, 7), np.uint8))


def test_distance_of_gaussians():
    rng = np.random.default_rng(0)
    first = rng.standard_normal((4000, 3))
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)
    # Means 2 apart, and standard deviations 1 and 3 in each of three dimensions: 4 + 3 (3 - 1)^2.
    centred = (first - first.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(first.T))).T
    second = 3 * centred + [2, 0, 0]
    assert frechet_distance(centred, second) == pytest.approx(16)
