"""Training with classes, augmentation and another network, from the command line to a sample."""

import pytest
import torch

from infonoise_core.training.loop import load_denoiser
from infonoise_vision.cli import main
from infonoise_vision.task import Objective

OPTIONS = [
    *("--updates", "4", "--batch", "8", "--eval-every", "0", "--save-every", "2"),
    *("--conditional", "--label-dropout", "0.3", "--augment", "0.12", "--dropout", "0.1"),
]


@pytest.mark.parametrize("network", ["small", "dit-tiny"])
def test_a_run_with_classes_is_trained_sampled_and_loaded(tmp_path, network, capsys):
    data, out = tmp_path / "few", tmp_path / "run"
    assert main(["prepare", "digits", "--limit", "60", "--out", str(data)]) == 0
    assert main(["train", str(data), "--out", str(out), "--network", network, *OPTIONS]) == 0
    picture = tmp_path / "a.png"
    assert main(["sample", str(out), "--out", str(picture), "--n", "4", "--steps", "2"]) == 0
    assert picture.stat().st_size > 0
    objective = Objective(network=network, conditional=True, augment=0.12, dropout=0.1)
    denoiser = objective.denoiser((1, 8, 8), 10, seed=5)
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
