"""The verb `profile` of every domain: what a run has measured, in words and as a picture."""

from dataclasses import dataclass
from pathlib import Path

import torch
from tyro.conf import Positional

from infonoise_core.app.train import profile_of
from infonoise_core.plot import draw_profile, figure, save_figure

_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Profile:
    """Show the entropy-rate profile a run has measured."""

    run: Positional[Path]
    """the --out of a train command, or a profile.json"""
    out: Path | None = None
    """write a picture here (.svg, .png or .pdf)"""
    overwrite: bool = False
    """replace the file --out"""


def run_profile(config: Profile) -> None:
    """Print the profile's entropy and quantiles; draw it if asked."""
    profile = profile_of(config.run)
    if config.out is not None:
        fig, ax = figure()
        draw_profile(ax, profile)
        save_figure(fig, config.out, overwrite=config.overwrite)
    low, high = float(profile.edges[0]), float(profile.edges[-1])
    print(
        f"entropy   {profile.entropy():.2f} ± {profile.entropy_stderr():.2f} nats per example,"
        f" between sigma {low:g} and {high:g}"
    )
    levels = profile.quantile(torch.tensor(_SHARES, dtype=torch.float64)).tolist()
    print(
        "sigma at  " + "  ".join(f"{q:.0%} {s:.3g}" for q, s in zip(_SHARES, levels, strict=True))
    )
    if config.out is not None:
        print(f"{config.out}: written")
