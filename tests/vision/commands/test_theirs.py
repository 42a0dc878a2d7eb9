"""Networks of Diffusers: trained here by their settings, imported from their folders, and back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from infonoise_core.sampling.solvers import solve
from infonoise_vision.cli import main
from infonoise_vision.domain import open_run

diffusers = pytest.importorskip("diffusers")

VECTORS = Path(__file__).parents[4] / "shared" / "data" / "pretrained"
TRAIN = ["--steps", "2", "--batch-size", "4", "--eval-every", "2", "--save-every", "2"]
SMALL = {
    "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4,
    "down_block_types": ("DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D"),
}  # fmt: skip


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unet")
    diffusers.UNet2DModel(sample_size=32, in_channels=3, out_channels=3, **SMALL).save_config(
        folder
    )
    return folder / "config.json"


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    options = ["--network", f"diffusers:{config}", "--noise-unit", "1", "--conditional"]
    assert main(["train", "digits", "--out", str(out), "--schedule", "edm", *options, *TRAIN]) == 0
    return out


def pipeline_folder(folder, scheduler, **more):
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(sample_size=8, in_channels=1, out_channels=1, **SMALL, **more)
    diffusers.DDPMPipeline(unet=unet, scheduler=scheduler).save_pretrained(folder)
    return unet.eval()


def test_their_network_is_brought_to_the_images_and_kept_with_the_run(run, config, tmp_path):
    opened = open_run(run, "cpu")
    inner = opened.denoiser.network.network
    assert type(inner) is diffusers.UNet2DModel
    assert (inner.config.in_channels, inner.config.num_class_embeds) == (1, 11)
    assert main(["sample", str(run), "--out", str(tmp_path / "a.png"), "--steps", "2"]) == 0
    # The same command finds it finished, whatever became of nothing else.
    assert json.loads((run / "config.json").read_text())["diffusers"]["network"]["norm_num_groups"]


def test_a_run_in_stock_classes_makes_the_same_images_and_is_imported_again(run, tmp_path):
    folder, again = tmp_path / "stock", tmp_path / "again"
    assert main(["export", str(run), str(folder)]) == 0
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
    assert type(pipeline).__name__ == "ConsistencyModelPipeline"
    assert main(["import", str(folder), str(again)]) == 0
    x, sigma = torch.randn(3, 1, 8, 8), torch.tensor([0.01, 1.0, 60.0])
    label = torch.tensor([1, 5, 10])
    ours, back = (open_run(path, "cpu").denoiser for path in (run, again))
    expected = ours(x * sigma.reshape(-1, 1, 1, 1), sigma, label=label)
    found = back(x * sigma.reshape(-1, 1, 1, 1), sigma, label=label)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    # Whole images by their loop and their scheduler.
    scheduler, unet = pipeline.scheduler, pipeline.unet
    scheduler.set_timesteps(5)
    state = x * scheduler.init_noise_sigma
    start = state.clone()
    for time in scheduler.timesteps:
        scaled = scheduler.scale_model_input(state, time)
        out = unet(scaled, time.expand(3), class_labels=label).sample
        state = scheduler.step(out, time, state).prev_sample
    levels = scheduler.sigmas[:-1].double()
    mine = solve(ours, start.detach(), levels, "euler", condition={"label": label}).x
    torch.testing.assert_close(state, mine, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["ddpm-epsilon", "ddpm-v-labels", "edm", "flow"])
def test_folders_of_the_library_become_models(name, tmp_path, capsys):
    source = VECTORS / f"diffusers-{name}"
    if not source.exists():
        pytest.skip("the shared vectors are not here")
    out = tmp_path / "model"
    assert main(["import", str(source), str(out)]) == 0
    assert "without a profile" in capsys.readouterr().out
    opened = open_run(out, "cpu")
    expected = np.load(source / "expected.npz")
    x, sigma = (torch.from_numpy(expected[key]) for key in ("x", "sigma"))
    given = {"label": torch.from_numpy(expected["label"])} if "label" in expected else {}
    with torch.no_grad():
        found = opened.denoiser(x, sigma, **given)
    wanted = torch.from_numpy(expected["D"])
    # Differences of float32 numbers as large as the noise, up to 375.
    close = 1e-6 * max(1.0, float(x.abs().max()))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=close)


def test_an_imported_model_is_measured_sampled_trained_and_handed_back(tmp_path, capsys):
    source, model, onward = (tmp_path / name for name in ("ddpm", "model", "onward"))
    unet = pipeline_folder(source, diffusers.DDPMScheduler(clip_sample=False))
    assert main(["import", str(source), str(model), "--data", "digits"]) == 0
    opened = open_run(model, "cpu")
    assert opened.profile is not None
    assert opened.objective.sigma_max == pytest.approx(157.4, rel=1e-3)
    grid = ["--grid", "rescaled-entropic", "--steps", "3"]
    assert main(["sample", str(model), "--out", str(tmp_path / "a.png"), *grid]) == 0
    back = tmp_path / "back"
    assert main(["export", str(model), str(back)]) == 0
    pipeline = diffusers.DDPMPipeline.from_pretrained(back)
    x, time = torch.randn(2, 1, 8, 8), torch.tensor([3, 800])
    torch.testing.assert_close(pipeline.unet(x, time).sample, unet(x, time).sample)
    assert pipeline.scheduler.config.prediction_type == "epsilon"
    begin = ["--from", str(model), "--network", opened.objective.network]
    assert main(["train", "digits", "--out", str(onward), *begin, *TRAIN, "--lr", "1e-9"]) == 0
    assert "and its profile before any is measured" in capsys.readouterr().err
    trained = open_run(onward, "cpu")
    assert trained.objective.sigma_max == pytest.approx(157.4, rel=1e-3)
    # Two steps of next to no length leave the weights.
    with torch.no_grad():
        found = trained.denoiser(x, torch.tensor([0.1, 50.0]))
        torch.testing.assert_close(
            found, opened.denoiser(x, torch.tensor([0.1, 50.0])), rtol=1e-4, atol=1e-4
        )


def test_weights_of_one_prediction_are_not_read_as_another(tmp_path, capsys):
    models = []
    for kind in ("epsilon", "sample"):
        source, model = tmp_path / kind, tmp_path / f"{kind}-model"
        pipeline_folder(source, diffusers.DDPMScheduler(prediction_type=kind))
        assert main(["import", str(source), str(model)]) == 0
        models.append(model)
    begin = ["--from", str(models[0]), "--network", f"diffusers:{models[1]}"]
    assert main(["train", "digits", "--out", str(tmp_path / "run"), *begin, *TRAIN]) == 2
    assert f"give --network diffusers:{models[0]}" in capsys.readouterr().err


def test_what_is_refused(config, tmp_path, capsys):
    def refused(*words):
        assert main(list(words)) == 2
        return capsys.readouterr().err

    out = str(tmp_path / "out")
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"_class_name": "DiTTransformer2DModel"}))
    train = ["train", "digits", "--out", out, "--network"]
    assert "DiTTransformer2DModel, and only UNet2DModel" in refused(*train, f"diffusers:{other}")
    assert "is not there" in refused(*train, "diffusers:none.json")
    assert "no --augment" in refused(*train, f"diffusers:{config}", "--augment", "0.1")
    deep = tmp_path / "deep.json"
    deep.write_text(json.dumps({**json.loads(config.read_text()), "norm_num_groups": 3}))
    assert "change its config.json" in refused(*train, f"diffusers:{deep}")
    source = tmp_path / "labelled"
    pipeline_folder(source, diffusers.DDPMScheduler(), num_class_embeds=10)
    assert "give --conditional" in refused(*train, f"diffusers:{source}")
    assert "give --label-dropout 0" in refused(*train, f"diffusers:{source}", "--conditional")
    weights = source / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "holds no weights" in refused("import", str(source), out)
    weights.unlink()
    assert "safe_serialization" in refused("import", str(source), out)
    assert "has no unet/config.json" in refused("import", str(tmp_path), out)
    assert not Path(out).exists()


def test_adapters_of_an_imported_network_are_folded_in_when_it_goes_back(tmp_path):
    pytest.importorskip("peft")
    pipeline_folder(tmp_path / "theirs", diffusers.DDPMScheduler())
    model, run, back = tmp_path / "model", tmp_path / "run", tmp_path / "back"
    assert main(["import", str(tmp_path / "theirs"), str(model)]) == 0
    network = ["--network", f"diffusers:{tmp_path / 'theirs'}"]
    options = ["--from", str(model), "--lora", "4", "--noise-unit", "1", "--lr", "0.1"]
    words = ["train", "digits", "--out", str(run), *options, *network, *TRAIN]
    assert main(words) == 0
    assert main(["export", str(run), str(back)]) == 0
    theirs = [
        diffusers.UNet2DModel.from_pretrained(folder, subfolder="unet").state_dict()
        for folder in (tmp_path / "theirs", back)
    ]
    assert theirs[0].keys() == theirs[1].keys()
    changed = {name for name in theirs[0] if not torch.equal(theirs[0][name], theirs[1][name])}
    assert changed
    assert all(theirs[0][name].dim() > 1 for name in changed)
