"""The profile by Haar band and by channel, what a condition says, and the page of a run."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from infonoise_core import EntropyRateProfile
from infonoise_core.app.pages.run_report import training_figures
from infonoise_core.app.trained import open_trained
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.profiles.measured import measure_profile
from infonoise_vision.cli import main
from infonoise_vision.data.images import ImageSet
from infonoise_vision.domain import DOMAIN, images_of, open_run
from infonoise_vision.evaluation import groups
from infonoise_vision.evaluation.groups import channels, grouped_profile, haar_bands
from infonoise_vision.evaluation.profile import condition_gap, of_training


def square(bands: dict[str, Tensor]) -> Tensor:
    return sum((band.flatten(1).square().sum(1) for band in bands.values()), torch.zeros(()))


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((1, 8, 8), ["detail 2", "detail 4", "detail 8", "coarse 8"]),
        ((3, 28, 28), ["detail 2", "detail 4", "coarse 4"]),
        ((2, 4, 6), ["detail 2", "coarse 2"]),
    ],
)
def test_haar_bands_are_an_orthonormal_split(shape: tuple[int, ...], names: list[str]) -> None:
    x, y = torch.randn(2, 5, *shape, generator=torch.Generator().manual_seed(0)).double()
    first, second = haar_bands(x), haar_bands(y)
    assert list(first) == names
    assert sum(band[0].numel() for band in first.values()) == math.prod(shape)
    torch.testing.assert_close(square(first), x.flatten(1).square().sum(1))
    # Inner products as well, so no coefficient stands twice.
    products = sum((first[k] * second[k]).sum() for k in names)
    torch.testing.assert_close(products, (x * y).sum())


def test_a_flat_image_is_coarse_and_a_chessboard_fine() -> None:
    flat = torch.ones(1, 1, 8, 8)
    assert {k for k, v in haar_bands(flat).items() if v.abs().max() > 1e-6} == {"coarse 8"}
    board = torch.ones(8, 8)
    board[::2, ::2] = board[1::2, 1::2] = -1
    fine = {k for k, v in haar_bands(board[None, None]).items() if v.abs().max() > 1e-6}
    assert fine == {"detail 2"}
    blocks = board[:2, :2].repeat_interleave(4, 0).repeat_interleave(4, 1)
    coarse = {k for k, v in haar_bands(blocks[None, None]).items() if v.abs().max() > 1e-6}
    assert coarse == {"detail 8"}


def test_odd_images_have_no_bands() -> None:
    with pytest.raises(InputError, match="7x8 pixels have no Haar bands"):
        haar_bands(torch.zeros(1, 1, 8, 7))


def test_channels_are_colours() -> None:
    x = torch.randn(2, 3, 4, 4)
    assert list(channels(x)) == ["red", "green", "blue"]
    assert torch.equal(channels(x)["green"], x[:, 1])
    assert list(channels(x[:, :2])) == ["channel 0", "channel 1"]


def coloured(n: int = 40) -> ImageSet:
    """Independent pixels: red of standard deviation 1, green 0.1, blue 0."""
    rng = np.random.default_rng(0)
    spread = np.array([1, 0.1, 0])[:, None, None]
    return ImageSet(
        "colours", (spread * rng.standard_normal((n, 3, 4, 4))).astype(np.float32), None
    )


def exact(x: Tensor, sigma: Tensor) -> Tensor:
    variance = torch.tensor([1, 0.01, 0])[:, None, None]
    return variance / (variance + sigma.reshape(-1, 1, 1, 1).square()) * x


@pytest.mark.parametrize("by", ["haar", "channel"])
def test_groups_sum_to_the_whole(by: groups.By, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "BINS", 12)
    profile = grouped_profile(exact, coloured(), VarianceExploding(0.01, 10.0), by, draws=16)
    total = sum(profile.groups.values())
    # The denoiser's float32.
    torch.testing.assert_close(total, profile.rate, rtol=1e-5, atol=1e-9)
    assert len(profile.rate) == 12


def test_a_channel_carries_the_rate_of_its_own_distribution() -> None:
    """Of d independent Gaussians: d v / (v + sigma^2). Within 5 standard errors; 48 bins."""
    channel = VarianceExploding(0.01, 10.0)
    profile = grouped_profile(exact, coloured(400), channel, "channel", draws=256)
    sigma = profile.sigma
    for name, variance in (("red", 1.0), ("green", 0.01)):
        rate = 16 * variance / (variance + sigma.square())
        error = rate * math.sqrt(2 / 16 / 256) + 0.05 * rate
        assert ((profile.groups[name] - rate).abs() < 5 * error).all()
    assert not profile.groups["blue"].any()
    whole = measure_profile(
        exact, coloured(400).x0(slice(None)), channel, 48, 256,
        generator=torch.Generator().manual_seed(1),
    )  # fmt: skip
    spread = math.hypot(profile.entropy_stderr(), whole.entropy_stderr())
    assert abs(profile.entropy() - whole.entropy()) < 5 * spread


# The command


@pytest.mark.parametrize(("kind", "by"), [("plain", "haar"), ("half", "haar"), ("box", "channel")])
def test_profile_by_group(
    runs: Path, tmp_path: Path, kind: str, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["profile", str(runs / kind), "--by", by, "--draws", "4"]
    for name in ("p.json", "p.svg"):
        assert main([*argv, "--out", str(tmp_path / name)]) == 0
    printed = capsys.readouterr().out
    profile = EntropyRateProfile.load(tmp_path / "p.json")
    shares = [float(s) for s in re.findall(r" ([\d.]+)%", printed.split("written")[0])]
    assert len(shares) == len(profile.groups)
    assert sum(shares) == pytest.approx(100, abs=0.05)
    assert f"{profile.entropy():.2f} ± " in printed
    assert main([*argv, "--out", str(tmp_path / "p.json")]) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["half", "classes", "fine"])
def test_what_a_condition_says(runs: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The gap is the difference of the two profiles that are printed; its bound that of classes."""
    assert main(["profile", str(runs / kind), "--gap", "--draws", "4"]) == 0
    printed = capsys.readouterr().out
    run = open_run(runs / kind, "cpu")
    held_out = images_of(run).held_out
    gap, free, conditional = condition_gap(run, held_out, run.null(), 4)
    assert f"{free.entropy():.2f}" in printed
    assert gap.nats == pytest.approx(free.entropy() - conditional.entropy() + gap.above)
    if kind == "classes":
        # Twelve held-out images of three classes.
        share = np.bincount(held_out.labels) / len(held_out)
        assert gap.bound == pytest.approx(-(share * np.log(share)).sum())
    else:
        assert gap.bound is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--gap"], "without --conditional or --condition"),
        (["--gap", "--by", "haar"], "give one of them"),
        (["--by", "haar", "--draws", "1"], "--draws 1"),
        (["--by", "colour"], "colour"),
        (["--by", "haar", "--data", "gone"], "gone: not found"),
    ],
)
def test_mistakes_of_profile(
    runs: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", str(runs / "plain"), *options]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["plain", "classes", "half"])
def test_the_page_of_a_run_opens_offline(
    runs: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "report.html"
    argv = ["report", str(runs / kind), "--out", str(out), "--steps", "2"]
    assert main(argv) == 0
    page = out.read_text()
    # Generated and held-out images; without a condition also the training images that are nearest.
    assert page.count("<img") == (2 if kind == "half" else 3)
    # Two measures, the loss and the profile; of a schedule that adapts also its history.
    shown = training_figures(open_trained(DOMAIN, runs / kind, "cpu"))
    assert page.count("<svg") == len(shown) == (4 if kind == "classes" else 5)
    assert not re.search(r"(src|href)=\"(?!data:|#)|url\((?!#)|@import|<script|<link", page)
    # The last measures of training, as numbers, though the run was short.
    lines = (runs / kind / "metrics.jsonl").read_text().splitlines()
    *_, last = (line["evaluate"] for line in map(json.loads, lines) if "evaluate" in line)
    bits = f"{last['bits_per_dim']:.4f} ± {last['bits_per_dim_stderr']:.4f}"
    assert f"<td>bits_per_dim</td><td>{bits}</td>" in page
    assert main(argv) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*argv, "--overwrite"]) == 0


def test_the_page_shows_what_evaluate_found(runs: Path, tmp_path: Path) -> None:
    run = runs / "plain"
    steps = ["--steps", "2"]
    assert main(["evaluate", str(run), "--no-classifier", "--samples", "10", *steps]) == 0
    assert main(["report", str(run), "--out", str(tmp_path / "a.html"), *steps]) == 0
    page = (tmp_path / "a.html").read_text()
    tables = json.loads((run / "evaluation.json").read_text())["tables"]
    rows = [row for table in tables for row in table["rows"]]
    assert len(rows) == 2
    for row in rows:
        error = f" ± {row['stderr']['value']:.4f}" if row["stderr"] else ""
        assert f"<td>{row['name']}</td><td>{row['values']['value']:.4f}{error}</td>" in page


def test_the_profile_of_training_stands_beside_the_one_by_band(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", str(runs / "plain")]) == 0
    whole = capsys.readouterr().out.split("entropy   ")[1].split(" nats")[0]
    assert main(["profile", str(runs / "plain"), "--by", "haar", "--draws", "8"]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("training"))
    assert line.startswith(f"training  {whole} nats by the losses of training")


def test_two_profiles_agree_or_it_is_said_where_they_do_not() -> None:
    edges = torch.logspace(-1, 1, 5, dtype=torch.float64)
    ones = torch.ones(4, dtype=torch.float64)
    one = EntropyRateProfile(edges, 2 * ones, 0.1 * ones, 9 * ones)
    # Of 0.1 in each of 4 bins: 0.2 widths, and of two profiles the root of 2 times that.
    for shift, words in ((0.55, "the same within the error"), (0.6, "at sigma 1.8")):
        moved = one.rate + torch.tensor([0, 0, shift, 0])
        assert of_training(replace(one, rate=moved), one).endswith(words)


def test_a_run_that_was_cut_short_has_a_page_too(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    cut = SimpleNamespace(path=tmp_path, profile=None)
    assert list(training_figures(cut)) == ["Training loss, mean since the point before."]
    assert training_figures(SimpleNamespace(path=tmp_path / "gone", profile=None)) == {}
