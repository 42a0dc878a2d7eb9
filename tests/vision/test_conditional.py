"""Training with classes, augmentation and another network, from the command line to a sample."""

import numpy as np
import pytest
import torch
from torch import nn

from infonoise_core.training.record.weights import load_denoiser
from infonoise_vision.cli import main
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.held_out import evaluation_of
from infonoise_vision.methods.diffusion import denoiser_of
from infonoise_vision.methods.options import Objective

OPTIONS = [
    *("--steps", "4", "--batch-size", "8", "--eval-every", "0", "--save-every", "2"),
    *("--conditional", "--label-dropout", "0.3", "--augment", "0.12", "--dropout", "0.1"),
]


@pytest.mark.parametrize("network", ["small", "dit-tiny"])
def test_a_run_with_classes_is_trained_sampled_and_loaded(tmp_path, network, capsys):
    data, out = tmp_path / "few", tmp_path / "run"
    assert main(["prepare", "digits", "--limit", "60", "--out", str(data)]) == 0
    assert main(["train", str(data), "--out", str(out), "--network", network, *OPTIONS]) == 0
    picture = tmp_path / "a.png"
    assert main(["sample", str(out), "--out", str(picture), "--samples", "4", "--steps", "2"]) == 0
    assert picture.stat().st_size > 0
    objective = Objective(network=network, conditional=True, augment=0.12, dropout=0.1)
    denoiser = denoiser_of(objective, (1, 8, 8), 10, seed=5)
    load_denoiser(out, denoiser)
    denoiser.eval()
    x, sigma = torch.randn(2, 1, 8, 8), torch.tensor([0.5, 1.0])
    null = denoiser(x, sigma, label=torch.tensor([10, 10]))
    torch.testing.assert_close(denoiser(x, sigma), null)
    assert not torch.equal(denoiser(x, sigma, label=torch.tensor([3, 7])), null)
    assert capsys.readouterr().err.count("error") == 0


def test_a_network_with_no_such_name(tmp_path, capsys):
    assert main(["train", "digits", "--out", str(tmp_path / "run"), "--network", "vast"]) == 2
    assert "error: --network vast: no such network" in capsys.readouterr().err


class ByClass(nn.Module):
    """Knows that an image is all of the grey of its class: the class is all there is to know."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, x, sigma, label):
        return (2.0 * label - 1)[:, None, None, None].expand_as(x)


def flat_images(n: int, seed: int) -> ImageSet:
    labels = np.random.default_rng(seed).integers(0, 2, n)
    pixels = np.broadcast_to(labels[:, None, None, None], (n, 1, 4, 4)).astype(np.uint8)
    return ImageSet("flat", pixels, 2, labels, ("black", "white"))


def test_a_run_with_classes_is_evaluated_on_the_true_ones():
    """Told the class, nothing is left to say, and what is generated has the classes of real images.
    With wrong ones each pixel would cost 4 / (2 sigma^2) nats at the lowest level alone."""
    train, held_out = flat_images(60, 0), flat_images(40, 1)
    evaluation = evaluation_of(Objective(conditional=True), train, held_out, samples=40)
    values = evaluation(ByClass())
    # The Gaussian that stands for the marginal at sigma_max = 80 costs 1 / 80^2.
    assert values["bits_per_dim"] == pytest.approx(0, abs=1e-3)
    # Copies of training images: their distance is the floor, but for the solver's last digits.
    floor = evaluation.floors["energy_40"]
    assert values["energy_40"] == pytest.approx(floor, abs=1e-3)
    with pytest.raises(TypeError, match="label"):
        evaluation_of(Objective(), train, held_out, samples=40)(ByClass())


@pytest.mark.parametrize("options", [["--conditional"], ["--condition", "hidden-half"]])
def test_schedules_are_compared_with_what_the_network_is_told(tmp_path, options):
    data = tmp_path / "few"
    assert main(["prepare", "digits", "--limit", "40", "--out", str(data)]) == 0
    argv = ["compare", str(data), "--out", str(tmp_path / "out"), "--schedules", "edm", *options]
    assert main([*argv, "--steps", "2", "--batch-size", "8"]) == 0
    assert (tmp_path / "out" / "report.html").exists()
