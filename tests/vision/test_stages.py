"""A run in stages, by every verb."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from infonoise_core.sampling.options import SamplerConfig
from infonoise_vision.cli import main
from infonoise_vision.data.images import ImageSet, Parts, load_split
from infonoise_vision.domain import DOMAIN, open_run
from infonoise_vision.evaluation.bound import LikelihoodBound
from infonoise_vision.methods.options import ImageOptions, Objective
from infonoise_vision.methods.staged import MeasuringStagedSchedule, StagedSchedule
from infonoise_vision.methods.stages import Band, births_of
from infonoise_vision.models.haar import coarse, split
from infonoise_vision.models.staged import StagedDenoiser

SIDE = 16


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blobs of two classes, the sort of thing that has coarse and fine parts."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    centre, width = rng.uniform(4, 12, (96, 2)), rng.uniform(2, 5, 96)
    square = (y - centre[:, :1, None]) ** 2 + (x - centre[:, 1:, None]) ** 2
    images = 255 * np.exp(-square / (2 * width[:, None, None] ** 2))
    path = tmp_path_factory.mktemp("blobs") / "blobs.npz"
    labels = (width > 3.5).astype(np.int64)
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    return path


OPTIONS = [
    "--stages", "auto", "--steps", "12", "--batch-size", "16", "--eval-every", "0",
    "--save-every", "6", "--log-every", "6", "--device", "cpu", "--conditional",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("staged") / "run"
    assert main(["train", str(data), "--out", str(out), *OPTIONS]) == 0
    return out


def test_a_run_in_stages_keeps_what_it_measured_of_the_images(run: Path) -> None:
    denoiser = open_run(run, "cpu").denoiser
    assert isinstance(denoiser, StagedDenoiser)
    assert denoiser.stages == 1
    births = denoiser.births.tolist()
    rms = float(denoiser.detail_rms[0].square().mean().sqrt())
    assert births[0] >= 0.99 * 6 * rms
    assert float(denoiser.filters.abs().max()) > 0


@pytest.mark.parametrize("solver", ["heun", pytest.param("dpmpp-2m", marks=pytest.mark.slow)])
def test_sample(run: Path, tmp_path: Path, solver: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--steps", "6", "--solver", solver, "--device", "cpu", "--label", "1"]
    out, one = tmp_path / "images", tmp_path / "one"
    more = ["--guidance", "2", "--churn", "0.1", "--churn-gate", "constant"]
    assert main(["sample", str(run), "--out", str(out), "--seeds", "3-5", *options, *more]) == 0
    assert main(["sample", str(run), "--out", str(one), "--seeds", "4", *options, *more]) == 0
    pixels = [np.asarray(Image.open(folder / "000004.png")) for folder in (out, one)]
    assert pixels[0].shape == (SIDE, SIDE)
    # Of other images beside it, convolutions may round in another order.
    assert np.abs(pixels[0].astype(int) - pixels[1]).max() <= 1


@pytest.mark.slow
def test_images_do_not_depend_on_how_many_there_are(run: Path) -> None:
    opened = open_run(run, "cpu")
    label = {"label": torch.zeros(5, dtype=torch.int64)}

    def made(n: int, chunk: int) -> torch.Tensor:
        sampling = opened.sampling(SamplerConfig(steps=4, grid="karras", seed=7, chunk=chunk))
        given = {name: value[:n] for name, value in label.items()}
        parts = sampling.chunks(opened.denoiser, opened.shape, n, given, opened.device)
        return torch.cat([part.x for part in parts])

    # Convolutions of other numbers of images round in another order, from noise of size 80 on.
    torch.testing.assert_close(made(5, 2), made(5, 5), rtol=0, atol=2e-3)
    torch.testing.assert_close(made(3, 3), made(5, 5)[:3], rtol=0, atol=2e-3)


@pytest.mark.slow
def test_evaluate_and_profile(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--samples", "8", "--steps", "4", "--device", "cpu", "--no-classifier"]
    assert main(["evaluate", str(run), *options]) == 0
    assert "bits_per_dim" in json.dumps(json.loads((run / "evaluation.json").read_text()))
    capsys.readouterr()
    assert main(["profile", str(run), "--births"]) == 0
    shown = capsys.readouterr().out
    assert "born at" in shown
    assert "all births" in shown
    assert main(["profile", str(run), "--by", "haar", "--draws", "4"]) == 0
    assert main(["profile", str(run)]) == 0


@pytest.mark.slow
def test_complete(run: Path, data: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    Image.fromarray(np.load(data)["images"][0]).save(picture)
    out = tmp_path / "filled"
    options = ["--steps", "4", "--device", "cpu"]
    assert main(["inpaint", str(run), str(picture), "--out", str(out), *options]) == 0
    filled = np.asarray(Image.open(out / "picture.png"))
    assert np.array_equal(filled[: SIDE // 2], np.load(data)["images"][0][: SIDE // 2])
    small = tmp_path / "small.png"
    Image.fromarray(np.load(data)["images"][0][::4, ::4]).save(small)
    assert main(["upscale", str(run), str(small), "--out", str(tmp_path / "large"), *options]) == 0


@pytest.mark.slow
def test_it_goes_on_as_if_it_had_not_stopped(run: Path, data: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(run, half)
    (half / "done.json").unlink()
    newest = max((half / "checkpoints").iterdir())
    shutil.rmtree(newest)
    assert main(["train", str(data), "--out", str(half), *OPTIONS]) == 0
    whole, again = (open_run(path, "cpu").denoiser.state_dict() for path in (run, half))
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


@pytest.fixture(scope="module")
def leading(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose details have noise of their own, evaluated while it trains."""
    out = tmp_path_factory.mktemp("leading") / "run"
    words = [*OPTIONS, "--lead", "3", "--network", "tiny"]
    assert main(["train", str(data), "--out", str(out), *words]) == 0
    return out


def test_a_run_whose_details_lead(run: Path, leading: Path, data: Path, tmp_path: Path) -> None:
    """Born into an image of less noise; drawn, completed and measured along its own path."""
    denoiser, plain = (open_run(path, "cpu").denoiser for path in (leading, run))
    assert isinstance(denoiser, StagedDenoiser)
    assert isinstance(plain, StagedDenoiser)
    assert denoiser.lead == 3
    assert 3 * float(denoiser.births[0]) >= 0.99 * 6 * float(
        denoiser.detail_rms[0].square().mean().sqrt()
    )
    assert float(denoiser.births[0]) < float(plain.births[0])
    few = ["--steps", "4", "--device", "cpu", "--label", "1", "--guidance", "2", "--churn", "0.1"]
    churn = ["--churn-gate", "constant"]
    out = tmp_path / "images.png"
    assert main(["sample", str(leading), "--out", str(out), "--samples", "4", *few, *churn]) == 0
    picture = tmp_path / "picture.png"
    Image.fromarray(np.load(data)["images"][0]).save(picture)
    for method in ("ddnm", "replace"):
        filled, words = tmp_path / method, [*few[:4], *few[6:], *churn, "--method", method]
        assert main(["inpaint", str(leading), str(picture), "--out", str(filled), *words]) == 0
        upper = np.asarray(Image.open(filled / "picture.png"))[: SIDE // 2]
        assert np.array_equal(upper, np.load(data)["images"][0][: SIDE // 2])


@pytest.mark.slow
def test_evaluate_and_profile_a_run_whose_details_lead(
    leading: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--samples", "8", "--steps", "4", "--device", "cpu", "--no-classifier"]
    assert main(["evaluate", str(leading), *options]) == 0
    capsys.readouterr()
    assert main(["profile", str(leading), "--births", "--draws", "16"]) == 0
    assert "all births" in capsys.readouterr().out
    assert main(["profile", str(leading), "--by", "haar", "--draws", "4"]) == 0
    assert main(["profile", str(leading)]) == 0


def test_the_bound_along_a_path_is_that_of_its_denoiser(data: Path) -> None:
    """Of a network that says nothing, it is that of independent Gaussian bands, whatever leads.

    At both ends the noise is the same but for details above their birth, of which nothing is left.
    """
    train, held_out = load_split(data)
    parts, bits = Parts(train, held_out, False), {}
    for lead in (1.0, 2.0):
        options = ImageOptions(Objective(stages="1", lead=lead))
        task = DOMAIN.task(parts, options, 0)
        with torch.no_grad():
            for parameter in task.denoiser.parameters():
                parameter.zero_()
        bound = LikelihoodBound(held_out, train, *options.objective.span)
        bits[lead] = bound(task.denoiser)
    assert bits[2.0].value == pytest.approx(bits[1.0].value, abs=4 * bits[1.0].stderr + 0.02)


def test_details_that_there_are_none_of_are_born_above_the_lowest_level() -> None:
    """Of images that were enlarged by repeating pixels."""
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (40, 1, 8, 8)), np.ones((2, 2))).astype(np.uint8)
    (birth,) = births_of(ImageSet("large", pixels, 256), "1", 4.0, (0.002, 80.0))
    assert 0.002 < birth.level < 0.01


def test_each_band_is_sought_from_its_own_size_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on finds its births anew: they are to be those of its checkpoints."""
    least = {64: 5.0, 16: 8.0}  # by the places of a band, what costs little
    monkeypatch.setattr(
        Band, "shortfall", lambda self, level, lead=1.0: 9.0 * (level < least[self.places])
    )
    pixels = np.random.default_rng(0).integers(0, 256, (64, 1, 16, 16)).astype(np.uint8)
    images = ImageSet("white", pixels, 256)
    found, before = births_of(images, "2", 4.0, (0.002, 80.0)), 0.0
    for k, birth in enumerate(found):
        level = 6 * float(split(coarse(images.x0(np.arange(64)), k))[1].square().mean().sqrt())
        while level < [5, 8][k]:
            level *= 1.05
        assert birth.level == max(level, 1.05 * before)
        before = birth.level


def test_a_run_in_stages_is_shared_and_pulled(run: Path, data: Path, tmp_path: Path) -> None:
    """With its births: the same images come of it."""
    shared, pulled = tmp_path / "shared", tmp_path / "pulled"
    assert main(["push", str(run), str(shared)]) == 0
    assert main(["pull", str(shared), "--out", str(pulled)]) == 0
    drawn = []
    for path in (run, pulled):
        out = tmp_path / f"{path.name}.png"
        words = ["--out", str(out), "--steps", "4", "--samples", "4", "--device", "cpu"]
        assert main(["sample", str(path), *words]) == 0
        drawn.append(out.read_bytes())
    assert drawn[0] == drawn[1]
    one, other = (open_run(path, "cpu").denoiser for path in (run, pulled))
    assert isinstance(one, StagedDenoiser)
    assert isinstance(other, StagedDenoiser)
    assert one.births.tolist() == other.births.tolist()


def test_the_page_about_a_run_in_stages(run: Path) -> None:
    assert main(["report", str(run), "--steps", "4", "--device", "cpu"]) == 0
    page = (run / "report.html").read_text()
    assert "generated images, " in page
    assert "training images that are nearest to it" in page
    assert "Entropy rate of the data" in page


def test_schedules_are_compared_in_stages(data: Path, tmp_path: Path) -> None:
    """Each as it would train: every arm learns at both sides."""
    out = tmp_path / "compared"
    words = ["compare", str(data), "--out", str(out), "--stages", "1", "--network", "tiny"]
    few = ["--steps", "4", "--batch-size", "16", "--schedules", "edm,infonoise", "--device", "cpu"]
    assert main([*words, *few]) == 0
    results = json.loads((out / "results.json").read_text())
    assert results["settings"]["objective"]["stages"] == "1"
    finals = [arm["evaluations"][-1] for arm in results["arms"]]
    assert [arm["schedule"] for arm in results["arms"]] == ["edm", "infonoise"]
    assert all(np.isfinite(final["bits_per_dim"]) for final in finals)
    assert (out / "report.html").is_file()


def test_a_run_in_stages_is_not_exported(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run), str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was trained with --stages auto, and pipelines of Diffusers draw at one side" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--stages", "some"], "give none, auto or a number"),
        (["--stages", "3"], "can be halved 2 times"),
        (["--stages", "1", "--condition", "superres"], "not learned in stages yet"),
        (["--stages", "1", "--sigma-max", "0.5"], "would be born at noise"),
        (["--stages", "1", "--birth-nats", "0"], "--birth-nats 0"),
        (["--stages", "1", "--weight", "unit"], "--weight unit"),
        (["--stages", "1", "--lead", "0.5"], "--lead 0.5: give 1 or more"),
        (["--stages", "1", "--lead", "nan"], "--lead nan: give 1 or more"),
        (["--birth-nats", "2"], "--birth-nats 2: says how details are born in stages"),
        (["--label-dropout", "0.3"], "--label-dropout 0.3: no labels are learned"),
        (["--condition-dropout", "0.3"], "--condition-dropout 0.3: nothing is known"),
        (["--lead", "2"], "--lead 2: says how details are born in stages; give --stages"),
    ],
)
def test_what_cannot_be(
    data: Path, tmp_path: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(data), "--out", str(tmp_path / "run"), *options]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_births_of_a_run_without_stages(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    options = ["--steps", "2", "--batch-size", "8", "--eval-every", "0", "--device", "cpu"]
    assert main(["train", str(data), "--out", str(out), *options]) == 0
    assert main(["profile", str(out), "--births"]) == 2
    assert "without --stages" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "kind"), [("edm", StagedSchedule), ("infonoise", MeasuringStagedSchedule)]
)
def test_shares_of_stages(data: Path, name: str, kind: type) -> None:
    train, held_out = load_split(data)
    parts, options = Parts(train, held_out, False), ImageOptions(Objective(stages="2"))
    schedule = DOMAIN.schedules(parts, options)(name, 100)
    task = DOMAIN.task(parts, options, 0)
    assert type(schedule) is kind
    u = schedule.sample(7000, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(task.denoiser.stage_of(u), minlength=3)
    # Strata: a draw more or less at each end of a stage.
    assert (counts - torch.tensor([1000, 2000, 4000])).abs().max() <= 2
    grid = torch.logspace(np.log10(0.002), np.log10(80), 200_000, dtype=torch.float64)
    assert float(torch.trapezoid(schedule.density(grid), grid.log())) == pytest.approx(1, abs=0.01)
    # What it reports is the base's own.
    assert (
        schedule.state_dict().keys()
        == DOMAIN.schedules(parts, ImageOptions())(name, 100).state_dict().keys()
    )


def test_the_error_of_stages_is_that_of_their_coarse_images(data: Path) -> None:
    """Of a network that says nothing, which shrinks every band as its size wants."""
    train, held_out = load_split(data)
    parts, options = Parts(train, held_out, False), ImageOptions(Objective(stages="1"))
    task = DOMAIN.task(parts, options, 0)
    batch = task.batch(np.arange(32))
    level = float(task.denoiser.births[0])
    for sigma, side in ((0.5 * level, SIDE), (2 * level, SIDE // 2)):
        levels = torch.full((32,), sigma)
        losses = task.losses(task.denoiser, batch, levels, torch.zeros_like(batch.x0))
        assert losses.squared_error is not None
        # Without noise an error is what shrinking takes: less than the image, more than nothing.
        whole = batch.x0.square().sum((1, 2, 3))
        assert bool((losses.squared_error <= whole + 1e-4).all())
        assert bool((losses.loss > 0).all())
        assert side in (SIDE, SIDE // 2)
