"""What profiles say: a table, the intrinsic dimension, the gap between two."""

import math

import torch
from rich.table import Table

from infonoise_core.commands.options import Compare, Dimension, Profile
from infonoise_core.commands.profiles import load_profile, load_profiles
from infonoise_core.profiles.dimension import plateau
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.profiles.readout import (
    Information,
    continuous_entropy,
    discrete_entropy,
    information_gap,
)
from infonoise_core.terminal import console

_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


def run_profile(config: Profile) -> None:
    """Print one column per profile."""
    profiles = load_profiles(config.files)
    table = Table()
    table.add_column("")
    for name in profiles:
        table.add_column(name, justify="right", overflow="fold")
    columns = [_readings(profile) for profile in profiles.values()]
    for label in columns[0]:
        table.add_row(label, *(column[label] for column in columns))
    console().print(table)


def run_dimension(config: Dimension) -> None:
    """Print the plateau, or that there is none."""
    profile = load_profile(config.file)
    flat = plateau(profile)
    if flat is None:
        print("no plateau: the rate is nowhere constant (slope within 0.1 in log-log)")
        return
    ambient = "" if profile.dim is None else f" (of {profile.dim})"
    print(f"dimension {flat}{ambient}")


def run_compare(config: Compare) -> None:
    """Print the information gap of two profiles."""
    print(information_gap(load_profile(config.first), load_profile(config.second), config.bound))


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
    return f"{value:.4g} ± {stderr:.2g}" if math.isfinite(stderr) else f"{value:.4g}, error unknown"
