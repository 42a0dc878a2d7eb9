"""`infonoise-vision profile`: what a run has measured, by band, or what a condition says."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tyro.conf import Positional

from infonoise_core.analytic.priors import measure_profile
from infonoise_core.app.profile import show_profile
from infonoise_core.errors import InputError
from infonoise_core.plot import FORMATS, draw_profile, draw_profiles, figure, save_figure
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.profiles.readout import Information, information_gap
from infonoise_core.training.progress import progress
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.groups import BINS, By, grouped_profile
from infonoise_vision.sampling.trained import TrainedRun, open_trained


@dataclass(frozen=True)
class ProfileCommand:
    """Show where noise destroys the information of the images."""

    run: Positional[Path]
    """the --out of a train command, or, without --by and --gap, a profile.json"""
    by: By | None = None
    """measure the network's error on held-out images, split by Haar band or by channel"""
    gap: bool = False
    """measure what the run's condition or class says of the image, in nats"""
    data: str | None = None
    """--by, --gap: the images, if they have moved since training"""
    draws: int = 256
    """--by, --gap: noisy images for each noise level"""
    device: str = "auto"
    """cpu, cuda or auto"""
    out: Path | None = None
    """write a picture here (.svg, .png or .pdf); with --by also the profile (.json)"""
    overwrite: bool = False
    """replace the file --out"""


def run_profile_command(config: ProfileCommand) -> None:
    """Print the entropy, by group with --by, or what the condition takes away with --gap."""
    if config.by is None and not config.gap:
        show_profile(config.run, config.out, overwrite=config.overwrite)
        return
    if config.by is not None and config.gap:
        raise InputError("--by and --gap: give one of them")
    _check_out(config)
    run = open_trained(config.run, config.device)
    null = run.null()
    if config.gap and not null:
        raise InputError(
            f"--gap: {config.run} was trained without --conditional or --condition, or never"
            " without what these give"
        )
    _, held_out = run.images(config.data)
    if config.by is not None:
        _groups(run, held_out, config.by, config)
    else:
        _gap(run, held_out, null, config)


def _groups(run: TrainedRun, held_out: ImageSet, by: By, config: ProfileCommand) -> None:
    with progress(BINS, "profile") as reporter:
        profile = grouped_profile(
            run.denoiser, held_out, run.channel, by, config.draws,
            conditioning=run.conditioning, device=run.device, progress=reporter.advance,
        )  # fmt: skip
    total = profile.entropy()
    lines = [
        f"entropy   {total:.2f} ± {profile.entropy_stderr():.2f} nats per image, held out",
        f"{by:>10}  share of it  sigma at half",
    ]
    for name, rate in profile.groups.items():
        mass = (rate * profile.width).cumsum(0)
        half = float(profile.sigma[int((mass < mass[-1] / 2).sum())])
        lines.append(f"{name:>10}  {float(mass[-1]) / total:11.2%}  {half:13.3g}")
    if config.out is not None:
        if config.out.suffix.lower() == ".json":
            config.out.parent.mkdir(parents=True, exist_ok=True)
            profile.save(config.out)
        else:
            _draw_groups(profile, config.out, overwrite=config.overwrite)
        lines.append(f"{config.out}: written")
    print("\n".join(lines))


def _draw_groups(profile: EntropyRateProfile, out: Path, *, overwrite: bool) -> None:
    fig, ax = figure()
    draw_profile(ax, profile, "all")
    for i, (name, rate) in enumerate(profile.groups.items()):
        ax.plot(profile.sigma.tolist(), rate.tolist(), f"C{i}", label=name)
    ax.legend(frameon=False, fontsize="small")
    save_figure(fig, out, overwrite=overwrite)


def condition_gap(
    run: TrainedRun,
    held_out: ImageSet,
    null: dict[str, Tensor],
    draws: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[Information, EntropyRateProfile, EntropyRateProfile]:
    """I(image; condition) of held-out images in nats, and the profiles without it and with it.

    Both profiles are taken at the same noises. The bound is the entropy of the classes, where the
    denoiser is given nothing else.

    Args:
        null: The run's, one row (1,) of each argument.
        draws: Noisy images per bin of a profile.
        progress: Called with 1 after each of 2 BINS bins.
    """
    rows = np.arange(min(len(held_out), 4096))
    x0 = held_out.x0(rows).to(run.device)
    given = {k: v.to(run.device) for k, v in run.conditioning(held_out, rows).items()}
    without = {**given, **{k: v.expand(len(rows)) for k, v in null.items()}}
    free, conditional = (
        measure_profile(
            run.denoiser, x0, run.channel, BINS, draws, condition,
            generator=torch.Generator().manual_seed(0), progress=progress,
        )
        for condition in (without, given)
    )  # fmt: skip
    bound = None
    if run.objective.condition in (None, "label") and held_out.labels is not None:
        share = np.bincount(held_out.labels) / len(held_out)
        bound = float(-(share[share > 0] * np.log(share[share > 0])).sum())
    return information_gap(free, conditional, bound), free, conditional


def _gap(
    run: TrainedRun, held_out: ImageSet, null: dict[str, Tensor], config: ProfileCommand
) -> None:
    with progress(2 * BINS, "profile") as reporter:
        gap, free, conditional = condition_gap(run, held_out, null, config.draws, reporter.advance)
    print(f"without   {free.entropy():.2f} ± {free.entropy_stderr():.2f} nats per image, held out")
    print(f"with      {conditional.entropy():.2f} ± {conditional.entropy_stderr():.2f}")
    print(f"gap       {gap}")
    if gap.bound is not None and gap.nats > gap.bound and not math.isclose(gap.nats, gap.bound):
        print("the gap is above what the condition can say: the network is worse without it")
    if config.out is not None:
        fig, ax = figure()
        draw_profiles(ax, {"without": free, "with": conditional})
        save_figure(fig, config.out, overwrite=config.overwrite)
        print(f"{config.out}: written")


def _check_out(config: ProfileCommand) -> None:
    if config.out is None:
        return
    if config.out.is_dir():
        raise InputError(f"--out {config.out} is a folder: give a file name")
    endings = [*FORMATS, *(["json"] if config.by else [])]
    if config.out.suffix.removeprefix(".").lower() not in endings:
        raise InputError(f"--out {config.out}: give a name that ends in .{', .'.join(endings)}")
    if config.out.exists() and not config.overwrite:
        raise InputError(f"--out {config.out} exists: give another name or --overwrite")
