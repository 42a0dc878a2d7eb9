"""A run as a pipeline of Diffusers, opened by the real library, and as a run again."""

import json

import pytest
import torch

from infonoise_core.sampling.solvers import solve
from infonoise_vision.cli import main
from infonoise_vision.domain import open_run

diffusers = pytest.importorskip("diffusers")

TRAIN = ["--steps", "2", "--batch-size", "4", "--eval-every", "2", "--save-every", "2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    network = ["--network", "adm:8:1-2:1:0", "--conditional", "--schedule", "edm"]
    assert main(["train", "digits", "--out", str(out), *network, *TRAIN]) == 0
    return out


def test_the_pipeline_makes_the_run_s_images_and_so_does_the_run_again(run, tmp_path, capsys):
    from infonoise_vision.sampling.diffusers_pipeline import InfoNoisePipeline

    folder, again = tmp_path / "exported", tmp_path / "again"
    assert main(["export", str(run), str(folder), "--steps", "3"]) == 0
    assert "3 levels, heun" in capsys.readouterr().out
    index = json.loads((folder / "model_index.json").read_text())
    assert index["network"] == ["infonoise_vision.sampling.diffusers_pipeline", "Network"]
    pipeline = InfoNoisePipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    label = torch.tensor([3, 7])
    made = pipeline(
        2, torch.Generator().manual_seed(5), label, output_type="pt", return_dict=False
    )[0]

    def images(path):
        opened = open_run(path, "cpu")
        noise = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(5))
        levels = torch.tensor(pipeline.config.sigmas, dtype=torch.float64)
        x = float(levels[0]) * noise
        x0 = solve(opened.denoiser, x, levels, "heun", condition={"label": label}).x
        return (x0 / 2 + 0.5).clamp(0, 1)

    torch.testing.assert_close(made, images(run), rtol=0, atol=0)
    assert main(["import", str(folder), str(again)]) == 0
    torch.testing.assert_close(images(again), made, rtol=0, atol=0)
    assert pipeline(1).images[0].size == (8, 8)
    guided = pipeline(1, class_labels=[1], guidance_scale=2.0, output_type="np").images
    assert guided.shape == (1, 8, 8, 1)


def test_what_is_refused(run, tmp_path, capsys):
    def refused(*words):
        assert main(list(words)) == 2
        return capsys.readouterr().err

    full = tmp_path / "full"
    full.mkdir()
    (full / "x").touch()
    assert "exists: give another folder" in refused("export", str(run), str(full))
    assert "no folder that infonoise-vision export wrote" in refused(
        "import", str(full), str(tmp_path / "model")
    )
    assert "no run here" in refused("export", str(full), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
