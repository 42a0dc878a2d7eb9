"""A network's error on held-out sequences by position or base: measured, printed, written."""

from pathlib import Path

import numpy as np
import torch

from infonoise_bio.data.batch import example_batch
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.groups import BINS, Grouped, grouped_profile
from infonoise_bio.evaluation.options import By
from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_core.plot import draw_profile, figure, save_figure
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training.progress import progress


def measured_profile(
    denoiser: BaseDenoiser, held_out: SequenceSet, channel: VarianceExploding, by: By, draws: int
) -> Grouped:
    """The profile of the network's errors, with progress on the terminal.

    Args:
        denoiser: The trained network.
        held_out: Sequences it did not see.
        channel: Its noise levels.
        by: What the profile is split by.
        draws: Noisy sequences for each bin of noise levels.
    """
    frequencies = torch.tensor(denoiser.config.frequencies, dtype=torch.float64)
    batch = example_batch(held_out, np.arange(len(held_out)), denoiser.encoding)
    with progress(BINS, "profile") as reporter:
        return grouped_profile(
            denoiser, held_out.codes, batch, frequencies, channel, by, draws,
            progress=reporter.advance,
        )  # fmt: skip


def profile_lines(grouped: Grouped, by: By, trained: EntropyRateProfile | None = None) -> list[str]:
    """The entropy, and each group's part in it.

    Args:
        grouped: As measured.
        by: What it is split by.
        trained: The profile of the run's own losses, which need not agree.
    """
    profile = grouped.profile
    total = profile.entropy()
    lines = [
        f"entropy   {total:.2f} ± {profile.entropy_stderr():.2f} nats per sequence, held out",
        *([] if trained is None else [_of_training(trained)]),
        f"{by:>8}  share of it  sigma at half  bits per base below independent bases",
    ]
    for i, (name, rate) in enumerate(profile.groups.items()):
        part = float((rate * profile.width).sum())
        mass = (rate * profile.width).cumsum(0)
        half = float(profile.sigma[int((mass < mass[-1] / 2).sum())])
        saved = f"{float(grouped.saved[i]):.4f} ± {float(grouped.stderr[i]):.4f}"
        lines.append(f"{name:>8}  {part / total:11.2%}  {half:13.3g}  {saved}")
    return lines


def _of_training(profile: EntropyRateProfile) -> str:
    return (
        f"training  {profile.entropy():.2f} nats by the losses of training: of sequences it saw, by"
        " the weights of the time, labels and bases hidden or given as they were"
    )


def write_profile(out: Path, grouped: Grouped, by: By, *, overwrite: bool) -> None:
    """The profile itself (.json), or a picture of its groups."""
    if out.suffix.lower() == ".json":
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
