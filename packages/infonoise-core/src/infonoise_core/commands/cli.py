"""infonoise: look at measured profiles, share them, and what memory training needs."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch

import infonoise_core
from infonoise_core import terminal
from infonoise_core.app import command
from infonoise_core.config.renamed import formerly
from infonoise_core.errors import InputError
from infonoise_core.plot import draw_history, draw_profiles, figure, save_figure
from infonoise_core.profiles.dimension import plateau
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.profiles.readout import (
    Information,
    continuous_entropy,
    discrete_entropy,
    information_gap,
)
from infonoise_core.training.run_folder import PROFILE_FILE

try:
    from rich.table import Table
    from tyro.conf import Positional

    from infonoise_core.hub.options import PullProfile, PushProfile
    from infonoise_core.hub.push import run_pull_profile, run_push_profile
except ImportError:
    # The script that pip installs imports this module before anything can catch an error.
    print(
        "error: this command needs more packages: pip install 'infonoise-core[cli]'",
        file=sys.stderr,
    )
    raise SystemExit(2) from None

_METRICS = "metrics.jsonl"
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Profile:
    """Entropy, quantiles and dimension of measured profiles, as a table.

    "sigma at 25%": a quarter of the nats is lost below it. An entropy is "not settled" if the rate
    does not close in on its limit at the ends of the grid.
    """

    files: Positional[tuple[Path, ...]]
    """profiles that were saved, or folders of runs"""


@dataclass(frozen=True)
class Dimension:
    """Intrinsic dimension by the low-noise plateau of a profile.

    The SVD gap and the Jacobian trace, which check it, need the denoiser and points of the data:
    infonoise_core.intrinsic_dimension in Python.
    """

    file: Positional[Path]
    """a profile that was saved, or the folder of a run"""


@dataclass(frozen=True)
class Plot:
    """Draw profiles into one picture."""

    files: Positional[tuple[Path, ...]]
    """profiles that were saved, or folders of runs"""
    out: Path
    """where to write the picture (.svg, .png or .pdf)"""
    over_time: bool = False
    """draw how a run's training density changed, instead of its profile"""
    overwrite: bool = False
    """replace the file --out"""


@dataclass(frozen=True)
class Compare:
    """How much more noise destroys by one profile than by another, in nats.

    If the second was measured with a condition known, this is the information between data and
    condition; if the first was measured on held-out and the second on training examples, it is
    memorisation.
    """

    first: Positional[Path]
    """a profile that was saved, or the folder of a run"""
    second: Positional[Path]
    """the same"""
    bound: float | None = None
    """nats that the answer cannot exceed, such as the condition's entropy"""


@dataclass(frozen=True)
class EstimateMemory:
    """What each process of a training run needs, by engine and ZeRO stage.

    Gradients come with buckets and what DeepSpeed gathers, activations with bf16 copies of the
    weights. docs/training-at-scale.md says what is counted and how close it came.
    """

    parameters: Positional[str]
    """how many, such as 133.5M, or the folder of a run"""
    processes: int = 1
    """of the run, all machines together"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """of the network's arithmetic"""
    grad_accum: Annotated[int, formerly("accumulate")] = 1
    """micro-batches per optimizer step and process"""
    activations: str = ""
    """of one micro-batch, such as 1.5GiB: what its forward pass leaves for the gradients"""
    gpu: str = ""
    """memory of one GPU, such as 24GiB: does it fit?"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `infonoise`."""
    commands: dict[str, command.Command] = {
        "profile": (Profile, run_profile),
        "dimension": (Dimension, run_dimension),
        "plot": (Plot, run_plot),
        "compare": (Compare, run_compare),
        "push": (PushProfile, run_push_profile),
        "pull": (PullProfile, run_pull_profile),
        "estimate-memory": (EstimateMemory, run_estimate_memory),
    }
    return command.run("infonoise", infonoise_core.__version__, commands, argv)


def run_profile(config: Profile) -> None:
    """Print one column per profile."""
    profiles = _load_all(config.files)
    table = Table()
    table.add_column("")
    for name in profiles:
        table.add_column(name, justify="right", overflow="fold")
    columns = [_readings(profile) for profile in profiles.values()]
    for label in columns[0]:
        table.add_row(label, *(column[label] for column in columns))
    terminal.console().print(table)


def run_dimension(config: Dimension) -> None:
    """Print the plateau, or that there is none."""
    profile = _load(config.file)
    flat = plateau(profile)
    if flat is None:
        print("no plateau: the rate is nowhere constant (slope within 0.1 in log-log)")
        return
    ambient = "" if profile.dim is None else f" (of {profile.dim})"
    print(f"dimension {flat}{ambient}")


def run_plot(config: Plot) -> None:
    """Draw the profiles, or the density over time, and write the file."""
    if config.over_time:
        fig, ax = figure()
        draw_history(ax, *_history(config.files))
        save_figure(fig, config.out, overwrite=config.overwrite)
        print(f"{config.out}: written")
        return
    profiles = _load_all(config.files)
    fig, ax = figure()
    draw_profiles(ax, profiles)
    save_figure(fig, config.out, overwrite=config.overwrite)
    print(f"{config.out}: written")


def run_compare(config: Compare) -> None:
    """Print the information gap of two profiles."""
    print(information_gap(_load(config.first), _load(config.second), config.bound))


def run_estimate_memory(config: EstimateMemory) -> None:
    """Print one row per engine and stage."""
    try:
        from infonoise_core.commands.estimate_memory import memory_table
    except ImportError:
        raise InputError(
            "estimate-memory needs more packages: pip install 'infonoise-core[train]'"
        ) from None

    terminal.console().print(
        memory_table(
            config.parameters, config.processes, config.precision, config.grad_accum,
            config.activations, config.gpu,
        )
    )  # fmt: skip


def _readings(profile: EntropyRateProfile) -> dict[str, str]:
    low, high = float(profile.edges[0]), float(profile.edges[-1])
    levels = profile.quantile(torch.tensor(_SHARES, dtype=torch.float64)).tolist()
    flat, peak = plateau(profile), int(profile.rate.argmax())
    return {
        "dimensions": "not stated" if profile.dim is None else str(profile.dim),
        "bins": str(len(profile.rate)),
        "observations": f"{float(profile.count.sum()):.0f}",
        "sigma from": f"{low:g}",
        "sigma to": f"{high:g}",
        "nats between these": _with_error(profile.entropy(), profile.entropy_stderr()),
        "entropy, if discrete": _settled(discrete_entropy(profile)),
        "entropy, if continuous": _density_entropy(profile),
        **{f"sigma at {q:.0%}": f"{s:.3g}" for q, s in zip(_SHARES, levels, strict=True)},
        "sigma at the peak": f"{float(profile.sigma[peak]):.3g}",
        "rate at the peak": _with_error(float(profile.rate[peak]), float(profile.stderr[peak])),
        "plateau (dimension)": "none" if flat is None else _with_error(flat.dimension, flat.stderr),
    }


def _density_entropy(profile: EntropyRateProfile) -> str:
    return "dimensions unknown" if profile.dim is None else _settled(continuous_entropy(profile))


def _settled(information: Information) -> str:
    if not math.isfinite(information.slack):
        return "not settled"
    open_part = f", {information.slack:.2g} open" if information.slack > 0 else ""
    return _with_error(information.nats, information.stderr) + open_part


def _with_error(value: float, stderr: float) -> str:
    return f"{value:.4g} ± {stderr:.2g}"


def _load_all(files: Sequence[Path]) -> dict[str, EntropyRateProfile]:
    """Profiles by a name that tells them apart."""
    if not files:
        raise InputError("no profile given: name one or more files")
    names = [
        path.name if path.is_dir() or path.name != PROFILE_FILE else path.parent.name
        for path in files
    ]
    if len(set(names)) < len(names) or not all(names):
        names = [str(path) for path in files]
    return {name: _load(path) for name, path in zip(names, files, strict=True)}


def _history(files: Sequence[Path]) -> tuple[list[int], list[float], list[list[float]]]:
    """Steps, noise levels, and a density for each step, of one run."""
    if len(files) != 1:
        raise InputError(f"--over-time draws one run; {len(files)} were given: give one folder")
    lines = files[0] / _METRICS
    if not lines.is_file():
        raise InputError(f"{files[0]}: no {_METRICS} here; give the --out of a train command")
    from infonoise_core.training.metrics import read_lines

    # A run that goes on may be writing its last line just now.
    records = read_lines(lines)
    found = {r["step"]: r["density"] for r in records if "density" in r}
    if not found:
        raise InputError(
            f"{files[0]}: no density was written; it is by adaptive schedules, every --save-every"
            " updates"
        )
    sigma = next(iter(found.values()))["sigma"]
    return list(found), sigma, [curve["density"] for curve in found.values()]


def _load(path: Path) -> EntropyRateProfile:
    try:
        return EntropyRateProfile.load(path / PROFILE_FILE if path.is_dir() else path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
