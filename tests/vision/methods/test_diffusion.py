"""What the loop gets: images, their loss, a fresh network; and settings that make no sense."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.processes.weighting import edm_weight
from infonoise_vision.data.fingerprint import describe
from infonoise_vision.data.images import ImageSet
from infonoise_vision.data.options import SHARE
from infonoise_vision.evaluation.held_out import evaluation_of
from infonoise_vision.methods.diffusion import (
    ImageTask,
    denoiser_of,
    load,
    make_denoiser,
    make_task,
    schedule_context,
)
from infonoise_vision.methods.options import Objective


def images(n: int = 20, levels: int | None = 17, shape: tuple[int, int, int] = (1, 4, 4)):
    rng = np.random.default_rng(0)
    if levels is None:
        return ImageSet("real", rng.standard_normal((n, *shape), np.float32), None)
    return ImageSet("grey", rng.integers(0, levels, (n, *shape), np.uint8), levels)


class Shrink(nn.Module):
    """D = half of what it is shown."""

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / 2


@pytest.mark.parametrize("levels", [None, 2, 17])
def test_losses_are_the_weighted_mean_square_and_the_observed_error_its_plain_sum(
    levels: int | None,
) -> None:
    data = images(levels=levels)
    task = ImageTask(data, Shrink(), edm_weight(0.5))
    assert (len(task), task.dim) == (20, 16)
    batch = task.batch(np.array([3, 1, 3]))
    x0 = data.x0([3, 1, 3])
    assert torch.equal(batch.x0, x0)
    sigma = torch.tensor([0.1, 1.0, 10.0])
    eps = torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    found = task.losses(task.denoiser, batch, sigma, eps)
    for i, s in enumerate(sigma.tolist()):
        error = ((x0[i] + s * eps[i]) / 2 - x0[i]).double().square().sum().item()
        # One float32 rounding per pixel and operation, far below 1e-5.
        assert found.squared_error[i].item() == pytest.approx(error, rel=1e-5)
        weight = (s**2 + 0.25) / (0.5 * s) ** 2
        assert found.loss[i].item() == pytest.approx(weight * error / 16, rel=1e-5)
    assert not found.squared_error.requires_grad


def test_a_fresh_network_is_a_function_of_the_seed_alone() -> None:
    before = torch.get_rng_state()
    a, b, c = (make_denoiser((1, 4, 4), 0.5, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    d = make_denoiser((1, 4, 4), 0.5, 0)
    for key, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[key])
        assert torch.equal(value, d.state_dict()[key])
    assert any(not torch.equal(v, c.state_dict()[k]) for k, v in a.state_dict().items())


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"sigma_min": 80.0}, "--sigma-min 80 and --sigma-max 80"),
        ({"sigma_min": 2.0, "sigma_max": 1.0}, "--sigma-min 2 and --sigma-max 1"),
        ({"sigma_min": 0.0}, "--sigma-min 0"),
        ({"sigma_min": -1.0}, "--sigma-min -1"),
        ({"sigma_min": math.nan}, "--sigma-min nan"),
        ({"sigma_max": math.inf}, "--sigma-max inf"),
        ({"sigma_data": 0.0}, "--sigma-data 0"),
        ({"sigma_data": math.nan}, "--sigma-data nan"),
        ({"sigma_data": math.inf}, "--sigma-data inf"),
        ({"weight": "snr"}, "--weight snr"),
        ({"label_dropout": 1.5}, "--label-dropout 1.5"),
        ({"augment": -0.1}, "--augment -0.1"),
        ({"dropout": 1.0}, "--dropout 1"),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused(change: dict[str, float], option: str) -> None:
    with pytest.raises(InputError, match=option):
        Objective(**change)


def test_an_objective_says_what_schedules_are_made_for() -> None:
    objective = Objective(sigma_min=0.01, sigma_max=10.0, sigma_data=0.3)
    data = images()
    setting = schedule_context(objective, 100, data)
    assert (setting.channel.sigma_min, setting.channel.sigma_max) == (0.01, 10.0)
    assert (setting.steps, setting.dim) == (100, data.dim)
    sigma = torch.tensor([0.1, 1.0])
    assert torch.equal(setting.weight(sigma), edm_weight(0.3)(sigma))
    assert torch.equal(
        schedule_context(Objective(weight="unit"), 1, data).weight(sigma), torch.ones_like(sigma)
    )
    assert make_task(objective, images(), 0).denoiser.sigma_data == 0.3


def test_the_split_is_the_same_every_time_and_shares_nothing() -> None:
    train, held_out = load(Objective(), "digits").both
    again = load(Objective(), "digits").both
    assert np.array_equal(train.pixels, again[0].pixels)
    assert np.array_equal(held_out.pixels, again[1].pixels)
    assert len(held_out) == round(SHARE * 1797)
    content = [{image.tobytes() for image in part.pixels} for part in (train, held_out)]
    assert not content[0] & content[1]
    assert describe(train, held_out) == {
        "name": "digits", "shape": [1, 8, 8], "levels": 17, "train": 1438, "held_out": 359,
        "classes": list("0123456789"),
    }  # fmt: skip


# Labels and augmentation


class Seen(nn.Module):
    """Remembers what it was called with."""

    def forward(self, x: Tensor, sigma: Tensor, **condition: Tensor) -> Tensor:
        self.x, self.condition = x, condition
        return x


def labelled(n: int = 400, levels: int = 256) -> ImageSet:
    return replace(
        images(n, levels), labels=np.arange(n, dtype=np.int64) % 3, classes=("a", "b", "c")
    )


def called(task: ImageTask, seed: int) -> Seen:
    denoiser, n = Seen(), len(task)
    batch = task.batch(np.arange(n))
    torch.manual_seed(seed)
    task.losses(denoiser, batch, torch.ones(n), torch.zeros_like(batch.x0))
    return denoiser


def test_labels_are_a_condition_only_where_they_are_asked_for() -> None:
    data, weight = labelled(), edm_weight(0.5)
    plain = ImageTask(data, Shrink(), weight)
    assert dict(plain.batch(np.arange(4)).condition) == {}
    task = ImageTask(data, Shrink(), weight, conditional=True, label_dropout=0.0)
    index = np.array([3, 1, 5])
    assert task.batch(index).condition["label"].tolist() == [0, 1, 2]
    assert task.batch(index).condition["label"].dtype == torch.int64
    assert called(task, 0).condition["label"].tolist() == data.labels.tolist()


def test_label_dropout_takes_its_share_from_the_seeded_generator() -> None:
    data = labelled(4000)
    task = ImageTask(data, Shrink(), edm_weight(0.5), conditional=True, label_dropout=0.2)
    first, again, other = (called(task, seed).condition["label"] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    withheld = first == 3
    # Four standard errors of a share of 0.2 in 4000.
    assert withheld.float().mean() == pytest.approx(0.2, abs=4 * math.sqrt(0.16 / 4000))
    assert torch.equal(first[~withheld], torch.from_numpy(data.labels)[~withheld])
    # The batch itself draws nothing: it may be made in another thread.
    state = torch.get_rng_state()
    task.batch(np.arange(10))
    assert torch.equal(torch.get_rng_state(), state)


def test_augmented_images_come_with_their_label() -> None:
    task = ImageTask(labelled(), Shrink(), edm_weight(0.5), augment=0.5)
    seen, again = called(task, 0), called(task, 0)
    assert torch.equal(seen.x, again.x)
    x0 = task.images.x0(slice(None))
    untouched = (seen.condition["augment"] == 0).all(1)
    assert untouched.any()
    assert torch.equal(seen.x[untouched], x0[untouched])
    assert not torch.equal(seen.x[~untouched], x0[~untouched])


def test_images_of_few_levels_are_only_flipped() -> None:
    task = ImageTask(labelled(levels=2), Shrink(), edm_weight(0.5), augment=1.0)
    seen = called(task, 0)
    assert set(seen.x.unique().tolist()) == {-1.0, 1.0}
    assert seen.condition["augment"][:, 2:].eq(0).all()


def test_the_error_is_measured_against_the_augmented_image() -> None:
    task = ImageTask(labelled(), Shrink(), edm_weight(0.5), augment=1.0)
    batch = task.batch(np.arange(20))
    losses = task.losses(Seen(), batch, torch.ones(20), torch.zeros_like(batch.x0))
    # Without noise the identity makes no error, whatever was done to the image.
    assert losses.squared_error.eq(0).all()


@pytest.mark.parametrize("network", ["small", "dit-tiny"])
def test_an_objective_makes_the_network_its_options_ask_for(network: str) -> None:
    objective = Objective(network=network, conditional=True, augment=0.12, dropout=0.3)
    task = make_task(objective, labelled(), 0)
    assert task.denoiser.network.classes == 3
    batch = task.batch(np.arange(6))
    sigma, eps = torch.ones(6), torch.randn_like(batch.x0)
    task.losses(task.denoiser, batch, sigma, eps).loss.mean().backward()
    assert {m.p for m in task.denoiser.modules() if isinstance(m, nn.Dropout)} == {0.3}
    again = denoiser_of(objective, (1, 4, 4), 3, 0)
    for key, value in task.denoiser.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    plain = denoiser_of(Objective(network=network), (1, 4, 4), 3, 0)
    assert plain.network.embedding.label is None
    assert plain.network.embedding.augment is None


def test_classes_without_labels_are_refused() -> None:
    with pytest.raises(InputError, match="has no labels for --conditional"):
        make_task(Objective(conditional=True), images(), 0)


def test_an_objective_loads_what_it_says() -> None:
    train, held_out = load(Objective(size=4, binarize=0.5), "digits").both
    assert train.shape == held_out.shape == (1, 4, 4)
    assert (train.levels, held_out.levels) == (2, 2)


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_scale_multiplies_the_data_and_nothing_else(scale: float) -> None:
    """Noise levels and preconditioning stay; the pixels' own profile moves along."""
    plain, scaled = Objective(), Objective(scale=scale)
    images = load(plain, "digits").train
    larger = load(scaled, "digits").train
    torch.testing.assert_close(larger.x0([3]), scale * images.x0([3]))
    settings = [schedule_context(o, 100, i) for o, i in ((plain, images), (scaled, larger))]
    assert settings[0].channel.sigma_max == settings[1].channel.sigma_max
    medians = []
    for setting in settings:
        assert setting.symbols is not None
        medians.append(float(setting.symbols.quantile(torch.tensor(0.5, dtype=torch.float64))))
    # Both grids have 64 bins over 80/0.002, a sixth of a nat each.
    assert math.log(medians[1] / medians[0]) == pytest.approx(math.log(scale), abs=0.17)


@pytest.mark.parametrize(
    ("objective", "option"),
    [
        (Objective(conditional=True), "--conditional"),
        (Objective(condition="label"), "--condition label"),
    ],
)
def test_held_out_images_without_labels_are_refused_where_they_are_told(
    objective: Objective, option: str
) -> None:
    images, held_out = load(objective, "digits").both
    assert evaluation_of(objective, images, held_out, samples=4)
    with pytest.raises(InputError, match=f"held-out images have no labels for {option}"):
        evaluation_of(objective, images, replace(held_out, labels=None, classes=()), samples=4)
