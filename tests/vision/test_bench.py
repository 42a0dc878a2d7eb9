"""The benches of images count the calls they print, and judge by what they say they do."""

import math

import numpy as np
import pytest
import torch

from image_stages import chosen
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.solvers import solve
from infonoise_vision.methods.options import Objective
from of_images import encoders, latent_systems
from of_images.chosen_levels import CHOSEN, KARRAS, Arm, errors_above, goals
from of_images.picture_samplers import CALLS, SOLVERS, levels
from of_images.stages import patches, systems


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("target", CALLS)
def test_levels_are_the_most_that_keep_to_the_calls(solver: str, target: int) -> None:
    def calls(number: int) -> int:
        sigmas = karras_grid(number, 0.002, 80.0)
        return solve(lambda x, sigma: 0 * x, torch.zeros(1, 1), sigmas, solver).nfe

    number = levels(solver, target)
    assert calls(number) <= target < calls(number + 1)


def arms(calls: int, karras: list[float], chosen: list[float]) -> list[Arm]:
    """Both lists of Euler's solver, with Fréchet distances by seed."""
    sigmas = karras_grid(calls, 0.002, 80.0)
    found = [Arm("euler", name, calls, sigmas) for name in (KARRAS, CHOSEN)]
    for arm, values in zip(found, (karras, chosen), strict=True):
        arm.frechet.extend(values)
    return found


def test_few_calls_are_judged_by_the_share_and_more_by_the_error() -> None:
    few, many = goals([*arms(10, [4.0, 6.0], [3.0, 4.0]), *arms(20, [4.0, 6.0], [4.1, 6.3])])
    assert (few.value, few.limit, few.met) == (pytest.approx(0.7), 0.7, True)
    # 0.1 and 0.3 more: 0.2 on average, whose standard error is 0.1.
    assert (many.value, many.limit) == (pytest.approx(2.0), 2)


def test_errors_above() -> None:
    assert errors_above([1.0, 2.0], [1.0, 2.0]) == 0  # stock was kept
    assert errors_above([1.0, 2.0], [1.5, 2.5]) == -math.inf
    assert errors_above([1.5, 2.5], [1.0, 2.0]) == math.inf
    assert errors_above([1.0, 3.0, 2.0], [2.0, 2.0, 2.0]) == 0


def test_details_are_those_of_the_finest_band() -> None:
    board = torch.ones(2, 1, 8, 8)
    board[..., ::2, ::2] = board[..., 1::2, 1::2] = -1
    # Of each cell's three details one is 2, by the orthonormal transform.
    assert encoders.detail(board) == pytest.approx((4 / 3) ** 0.5)
    assert encoders.detail(torch.ones(2, 1, 8, 8)) == 0
    assert encoders.rmse(board, -board) == 2


def test_the_systems_of_latents_take_any_side_and_are_of_like_size() -> None:
    z = torch.randn(3, latent_systems.LATENT, generator=torch.Generator().manual_seed(0))
    for shape in ((3, 7, 9), (1, 8, 8)):
        objective = Objective()
        told, vae = latent_systems.Told(shape, objective), latent_systems.VAE(shape, objective)
        assert vae.decode(z).shape == (3, *shape)
        x, sigma = torch.ones(3, *shape), torch.tensor([0.5, 1.0, 2.0])
        # The network is zero before training: EDM's skip is left.
        skip = 0.25 / (0.25 + sigma.square())
        torch.testing.assert_close(told(x, sigma, z), skip[:, None, None, None] * x)
    # At the side of the bench.
    sizes = [sum(p.numel() for p in model.parameters()) for model in (told, vae)]
    assert max(sizes) < 1.2 * min(sizes)


def test_training_stops_when_its_time_is_over() -> None:
    line = torch.nn.Linear(2, 1)
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    steps, seconds = latent_systems.trained(line, lambda _: line(x).square().sum(), 0.05)
    assert steps > 0
    assert 0.05 <= seconds < 5
    assert not any(p.requires_grad for p in line.parameters())


def test_no_patch_of_training_shares_a_pixel_with_those_held_out() -> None:
    rows, columns = np.mgrid[:20, :40]
    numbered = np.stack([rows, columns, 0 * rows], 2).astype(np.uint8)
    second = numbered + np.array([0, 0, 1], np.uint8)
    found = patches([numbered, second], side=8, stride=4)
    assert found["x_train"].shape == (2 * 4 * 3, 3, 8, 8)
    assert found["x_test"].shape == (2 * 4 * 5, 3, 8, 8)
    # Whole patches of one place, of their own photograph.
    first = found["x_test"][0]
    assert (first[0] == rows[:8, :8]).all()
    assert (first[1] == columns[:8, 16:24]).all()
    assert found["x_train"][:, 1].max() < found["x_test"][:, 1].min()
    for name in ("train", "test"):
        of = found[f"x_{name}"][:, 2].reshape(-1, 64)
        assert (of == of[:, :1]).all()
        assert [f"photograph {n + 1:02d}" for n in of[:, 0]] == found[f"y_{name}"].tolist()


def test_seeds_and_sides_of_the_stages_are_options() -> None:
    small, rest = chosen([])
    assert list(small.sections) == ["stages"]
    words = ["--quick", "--seeds", "3", "--sides", "32,64", "--out", "x", "--leads", "1,2"]
    large, rest = chosen(words)
    assert list(large.sections) == ["stages", "stages-64"]
    assert rest == ["--quick", "--out", "x"]
    assert [section.args[1:] for section in large.sections.values()] == [(3, [1, 2])] * 2
    assert systems([1, 2])["staged, lead 2"] == ("auto", 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sides", "48"], "give some of 32,64"),
        (["--seeds", "0"], "give at least 1"),
        (["--leads", "1,many"], "give numbers from 1 on"),
        (["--leads", "0.5"], "from 1 on"),
    ],
)
def test_mistakes_in_the_options_of_stages(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        chosen(options)
    assert words in capsys.readouterr().err
