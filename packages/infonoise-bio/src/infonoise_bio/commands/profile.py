"""`infonoise-bio profile`: what a run has measured, or its errors by position or base."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tyro.conf import Positional

from infonoise_bio.data.batch import example_batch
from infonoise_bio.evaluation.groups import BINS, By, Grouped, grouped_profile
from infonoise_bio.examples import parts
from infonoise_bio.methods.trained import open_trained
from infonoise_core.app.profile import show_profile
from infonoise_core.files import check_output
from infonoise_core.plot import draw_profile, figure, save_figure
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.training.progress import progress


@dataclass(frozen=True)
class ProfileCommand:
    """Show where noise destroys the information of the sequences."""

    run: Positional[Path]
    """the --out of a train command, or, without --by, a profile.json"""
    by: By | None = None
    """measure the network's error on held-out sequences, split by position or by base"""
    data: str | None = None
    """--by: the sequences, if they have moved since training"""
    draws: int = 256
    """--by: noisy sequences for each of 64 noise levels"""
    device: str = "auto"
    """cpu, cuda or auto"""
    out: Path | None = None
    """write a picture here (.svg, .png or .pdf); with --by also the profile (.json)"""
    overwrite: bool = False
    """replace the file --out"""


def run_profile_command(config: ProfileCommand) -> None:
    """Print the profile's entropy, and with --by each group's part in it."""
    if config.by is None:
        show_profile(config.run, config.out, overwrite=config.overwrite)
        return
    if config.out is not None:
        check_output(config.out, config.overwrite)
    run = open_trained(config.run, config.device)
    _, held_out = parts(run.sequences(config.data), "test")
    channel = VarianceExploding(run.objective.sigma_min, run.objective.sigma_max)
    frequencies = torch.tensor(run.denoiser.config.frequencies, dtype=torch.float64)
    batch = example_batch(held_out, np.arange(len(held_out)), run.denoiser.encoding)
    with progress(BINS, "profile") as reporter:
        grouped = grouped_profile(
            run.denoiser, held_out.codes, batch, frequencies, channel, config.by, config.draws,
            progress=reporter.advance,
        )  # fmt: skip
    if config.out is not None:
        _write(config.out, grouped, config.by, overwrite=config.overwrite)
    print("\n".join(_lines(grouped, config.by)))
    if config.out is not None:
        print(f"{config.out}: written")


def _lines(grouped: Grouped, by: By) -> list[str]:
    profile = grouped.profile
    total = profile.entropy()
    lines = [
        f"entropy   {total:.2f} ± {profile.entropy_stderr():.2f} nats per sequence, held out",
        f"{by:>8}  share of it  sigma at half  bits per base below independent bases",
    ]
    for i, (name, rate) in enumerate(profile.groups.items()):
        part = float((rate * profile.width).sum())
        mass = (rate * profile.width).cumsum(0)
        half = float(profile.sigma[int((mass < mass[-1] / 2).sum())])
        saved = f"{float(grouped.saved[i]):.4f} ± {float(grouped.stderr[i]):.4f}"
        lines.append(f"{name:>8}  {part / total:11.2%}  {half:13.3g}  {saved}")
    return lines


def _write(out: Path, grouped: Grouped, by: By, *, overwrite: bool) -> None:
    if out.suffix.lower() == ".json":
        out.parent.mkdir(parents=True, exist_ok=True)
        grouped.profile.save(out)
        return
    fig, ax = figure()
    if by == "position":
        ax.bar(range(len(grouped.saved)), grouped.saved.tolist(), yerr=grouped.stderr.tolist())
        ax.set(xlabel="position, from 0", ylabel="bits below independent bases")
    else:
        draw_profile(ax, grouped.profile)
        for name, rate in grouped.profile.groups.items():
            ax.plot(grouped.profile.sigma.tolist(), rate.tolist(), label=name)
        ax.legend(frameon=False, fontsize="small")
    save_figure(fig, out, overwrite=overwrite)
