"""A small run and the command line to use it with, for the tests that go through the commands."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infonoise_bio.alphabet import letters_of
from infonoise_bio.cli import main
from infonoise_bio.evaluation import discriminator
from infonoise_bio.models.encoding import Encoding
from infonoise_core import EntropyRateProfile

LENGTH = 24
QUICK = ["--strand", "forward", "--steps", "6", "--batch-size", "8", "--save-every", "3"]


def _random_texts(n: int, length: int = LENGTH, seed: int = 0) -> list[str]:
    return letters_of(np.random.default_rng(seed).integers(0, 4, (n, length)).astype(np.uint8))


@pytest.fixture(scope="session", autouse=True)
def _profiles_are_kept() -> Iterator[None]:
    """What independent bases tell takes a second, and the runs here are of the same few bases."""
    compute, kept = Encoding.profile, {}

    def profile(
        encoding: Encoding, channel: Any, length: int = 1, frequencies: Any = None, bins: int = 64
    ) -> EntropyRateProfile:
        given = None if frequencies is None else (frequencies.dtype, str(frequencies.tolist()))
        span = (type(channel), channel.sigma_min, channel.sigma_max)
        key = (encoding.name, encoding.scale, span, length, given, bins)
        if key not in kept:
            kept[key] = compute(encoding, channel, length, frequencies, bins)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Encoding, "profile", profile)
        yield


@pytest.fixture(scope="module")
def hasty_judge() -> Iterator[None]:
    """For commands: whether it tells real from generated is tested where it lies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discriminator, "_STEPS", 5)
        yield


@pytest.fixture(scope="session")
def random_texts() -> Callable[..., list[str]]:
    """n, length=24, seed=0 -> sequences."""
    return _random_texts


@pytest.fixture(scope="session")
def fasta() -> Callable[..., Path]:
    """Path, sequences, header="" -> the path, a FASTA file of records r0, r1, ... by then."""

    def write(path: Path, texts: list[str], header: str = "") -> Path:
        path.write_text("".join(f">r{i} {header}\n{t}\n" for i, t in enumerate(texts)))
        return path

    return write


@pytest.fixture(scope="session")
def quick() -> list[str]:
    """Options of a short training."""
    return QUICK


@pytest.fixture(scope="session")
def few() -> list[str]:
    """Options of a short way from noise to sequences."""
    return ["--steps", "3", "--grid", "karras"]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes and a number; a fifth each for validation and test, by the file's own word."""
    path = tmp_path_factory.mktemp("data") / "promoters.fa"
    parts = ("train", "train", "train", "val", "test")
    lines = [
        f">p{i} label={'xy'[i % 2]} act={i / 50} split={parts[i // 2 % 5]}\n{text}\n"
        for i, text in enumerate(_random_texts(120))
    ]
    path.write_text("".join(lines))
    return path


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with classes, a number and given bases."""
    out = tmp_path_factory.mktemp("trained") / "run"
    how = ["--label", "label", "--numbers", "act", "--infill", "0.5"]
    assert main(["train", str(data), "--out", str(out), *how, *QUICK]) == 0
    return out


@pytest.fixture(scope="session")
def baselines(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both baselines of the same data, with classes."""
    out = tmp_path_factory.mktemp("baselines") / "both"
    command = ["baselines", str(data), "--out", str(out), "--label", "label", *QUICK]
    assert main([*command, "--eval-every", "0"]) == 0
    return out


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Arguments -> exit status, output, errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def refused(run: Callable[..., tuple[int, str, str]]) -> Callable[..., None]:
    """What the error says, arguments: one line, and exit status 2."""

    def check(match: str, *arguments: object) -> None:
        code, _, err = run(*arguments)
        assert code == 2
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert match in err

    return check
