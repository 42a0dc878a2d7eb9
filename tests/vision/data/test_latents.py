"""Latents of an autoencoder of Diffusers: encoded once, measured, trained on and decoded."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from infonoise_vision.cli import main
from infonoise_vision.data.images import load_parts
from infonoise_vision.data.latents import decoded, in_latents
from infonoise_vision.data.options import Reading
from infonoise_vision.domain import open_run

diffusers = pytest.importorskip("diffusers")

TRAIN = ["--steps", "2", "--batch-size", "4", "--eval-every", "2", "--save-every", "2"]


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    torch.manual_seed(0)
    diffusers.AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4, layers_per_block=1,
    ).save_pretrained(folder)  # fmt: skip
    return folder


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("INFONOISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def parts():
    return load_parts("digits", Reading(limit=60))


def test_latents_are_the_encoder_s_mean_at_edm_s_deviation_and_come_back(vae, parts, cache):
    found = in_latents(parts, vae, "digits")
    train = found.train
    assert train.shape == (4, 4, 4)
    assert train.levels is None
    pixels = np.asarray(train.pixels, np.float64)
    # Rounding of float32 in what is written.
    assert pixels.mean() == pytest.approx(0, abs=1e-6)
    assert pixels.std() == pytest.approx(0.5, rel=1e-5)
    network = diffusers.AutoencoderKL.from_pretrained(vae).eval()
    with torch.no_grad():
        x0 = parts.train.x0(slice(5)).expand(-1, 3, -1, -1)
        z = network.encode(x0).latent_dist.mode()
        images = network.decode(z).sample.clamp(-1, 1).mean(1, keepdim=True)
    mine = train.x0(slice(5))
    torch.testing.assert_close(train.code.raw(mine), z, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(decoded(mine, train.code, vae), images, rtol=1e-4, atol=1e-4)
    # The held-out ones by the numbers of the training images.
    assert np.asarray(found.held_out.pixels).std() != pytest.approx(0.5, rel=1e-5)


def test_encoding_is_done_once(vae, parts, cache, monkeypatch):
    first = in_latents(parts, vae, "digits")
    assert len(list(cache.glob("latents-*"))) == 1
    monkeypatch.setattr("infonoise_vision.data.latents._autoencoder", lambda folder: 1 / 0)
    again = in_latents(parts, vae, "digits")
    assert (first.train.pixels == again.train.pixels).all()


def test_train_sample_and_report_on_latents(vae, tmp_path, capsys):
    prepared, run = tmp_path / "prepared", tmp_path / "run"
    options = ["--latents", str(vae)]
    assert main(["prepare", "digits", "--limit", "80", "--out", str(prepared), *options]) == 0
    assert "latents of 4x4x4 are kept" in capsys.readouterr().out
    assert len(list(prepared.glob("latents-*"))) == 1
    assert main(["train", str(prepared), "--out", str(run), *options, *TRAIN]) == 0
    opened = open_run(run, "cpu")
    assert opened.shape == (4, 4, 4)
    assert opened.objective.noise_unit == pytest.approx(1.0, rel=1e-3)
    sample = ["sample", str(run), "--steps", "2", "--samples", "3"]
    assert main([*sample, "--out", str(tmp_path / "images")]) == 0
    with Image.open(tmp_path / "images" / "000000.png") as image:
        assert image.size == (8, 8)
    # Where it has moved.
    moved = vae.rename(vae.parent / "moved")
    try:
        assert main([*sample, "--out", str(tmp_path / "b.png")]) == 2
        assert "--latents" in capsys.readouterr().err
        assert main([*sample, "--out", str(tmp_path / "b.png"), "--latents", str(moved)]) == 0
    finally:
        moved.rename(vae)
    assert main(["export", str(run), str(tmp_path / "exported")]) == 2
    assert "was trained on latents" in capsys.readouterr().err


def test_what_is_refused(vae, parts, tmp_path, capsys):
    def refused(*words):
        assert main(["train", *words, "--out", str(tmp_path / "run"), *TRAIN]) == 2
        return capsys.readouterr().err

    assert "has no config.json" in refused("digits", "--latents", str(tmp_path))
    assert "leave --augment out" in refused("digits", "--latents", str(vae), "--augment", "0.1")
    odd = tmp_path / "odd.npz"
    np.savez(odd, images=np.random.default_rng(0).integers(0, 255, (40, 9, 9), np.uint8))
    assert "sides that 2 divides" in refused(str(odd), "--latents", str(vae))
    other = tmp_path / "other"
    other.mkdir()
    for file in vae.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    config = json.loads((vae / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "scaling_factor": 0.5}))
    code = in_latents(parts, vae, None).train.code
    with pytest.raises(Exception, match="is another autoencoder"):
        decoded(torch.zeros(1, 4, 4, 4), code, other)
    (other / "config.json").write_text(json.dumps({**config, "_class_name": "VQModel"}))
    assert "holds VQModel" in refused("digits", "--latents", str(other))
