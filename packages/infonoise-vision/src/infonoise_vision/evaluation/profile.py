"""`profile` where it measures: a run's error by band or channel, or what a condition says."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from infonoise_core.app.options import ProfileOptions
from infonoise_core.errors import InputError
from infonoise_core.plot import FORMATS, draw_profile, draw_profiles, figure, save_figure
from infonoise_core.profiles.measured import measure_profile
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.profiles.readout import Information, information_gap
from infonoise_core.training.progress import progress
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.births import birth_costs
from infonoise_vision.evaluation.groups import BINS, grouped_profile
from infonoise_vision.evaluation.options import By
from infonoise_vision.models.staged import StagedDenoiser
from infonoise_vision.sampling.trained import ImageRun


def show_groups(run: ImageRun, held_out: ImageSet, command: ProfileOptions) -> None:
    """Print each group's part in the entropy; --out takes a picture, or the profile as .json."""
    by: By = command.options.by
    with progress(BINS, "profile") as reporter:
        profile = grouped_profile(
            run.denoiser, held_out, run.channel, by, command.options.draws,
            conditioning=run.conditioning, device=run.device, progress=reporter.advance,
        )  # fmt: skip
    total = profile.entropy()
    lines = [
        f"entropy   {total:.2f} ± {profile.entropy_stderr():.2f} nats per image, held out",
        *([] if run.profile is None else [of_training(run.profile, profile)]),
        f"{by:>10}  share of it  sigma at half",
    ]
    for name, rate in profile.groups.items():
        mass = (rate * profile.width).cumsum(0)
        half = float(profile.sigma[int((mass < mass[-1] / 2).sum())])
        lines.append(f"{name:>10}  {float(mass[-1]) / total:11.2%}  {half:13.3g}")
    if command.out is not None:
        if command.out.suffix.lower() == ".json":
            command.out.parent.mkdir(parents=True, exist_ok=True)
            profile.save(command.out)
        else:
            _draw_groups(profile, command.out, overwrite=command.overwrite)
        lines.append(f"{command.out}: written")
    print("\n".join(lines))


def of_training(trained: EntropyRateProfile, measured: EntropyRateProfile) -> str:
    """The run's own profile beside one measured now, and why they differ where they do."""
    theirs, ours = trained.entropy(), measured.entropy()
    known = trained.entropy_stderr(seen=True)
    error = math.hypot(known, measured.entropy_stderr())
    line = f"training  {theirs:.2f} ± {known:.2f} nats by the losses of training"
    if abs(theirs - ours) <= 2 * error:
        return f"{line}, the same within the error"
    gap = (trained.at(measured.sigma) - measured.rate) * measured.width
    most = float(measured.sigma[int(gap.abs().argmax())])
    return (
        f"{line}: of images it saw, as they were augmented and given, by the weights of the time"
        f" and not their average; the two are furthest apart at sigma {most:.2g}"
    )


def _draw_groups(profile: EntropyRateProfile, out: Path, *, overwrite: bool) -> None:
    fig, ax = figure()
    draw_profile(ax, profile, "all")
    for i, (name, rate) in enumerate(profile.groups.items()):
        ax.plot(profile.sigma.tolist(), rate.tolist(), f"C{i}", label=name)
    ax.legend(frameon=False, fontsize="small")
    save_figure(fig, out, overwrite=overwrite)


def condition_gap(
    run: ImageRun,
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


def show_gap(run: ImageRun, held_out: ImageSet, command: ProfileOptions) -> None:
    """Print what the condition takes away of the entropy; --out takes a picture of both profiles.

    Raises:
        InputError: For a run without a condition, or never without it.
    """
    null = run.null()
    if not null:
        raise InputError(
            f"--gap: {run.path} was trained without --conditional or --condition, or never"
            " without what these give"
        )
    with progress(2 * BINS, "profile") as reporter:
        gap, free, conditional = condition_gap(
            run, held_out, null, command.options.draws, reporter.advance
        )
    print(f"without   {free.entropy():.2f} ± {free.entropy_stderr():.2f} nats per image, held out")
    print(f"with      {conditional.entropy():.2f} ± {conditional.entropy_stderr():.2f}")
    print(f"gap       {gap}")
    if gap.bound is not None and gap.nats > gap.bound and not math.isclose(gap.nats, gap.bound):
        print("the gap is above what the condition can say: the network is worse without it")
    if command.out is not None:
        fig, ax = figure()
        draw_profiles(ax, {"without": free, "with": conditional})
        save_figure(fig, command.out, overwrite=command.overwrite)
        print(f"{command.out}: written")


def show_births(run: ImageRun, held_out: ImageSet, command: ProfileOptions) -> None:
    """Print what each birth of details costs; InputError for a run without stages."""
    if not isinstance(run.denoiser, StagedDenoiser):
        raise InputError(f"{run.path}: was trained without --stages, and has no births")
    if command.out is not None:
        raise InputError("--births draws no picture; leave --out out")
    costs = birth_costs(run.denoiser, held_out, command.options.draws)
    print("pixels  born at  details' rms  nats lost per image, held out")
    for cost in costs:
        nats = f"{cost.nats:.2f} ± {cost.stderr:.2f}"
        print(f"{cost.side:6}  {cost.level:7.3g}  {cost.rms:12.3g}  {nats}")
    print(f"all births: {sum(cost.nats for cost in costs):.2f} nats")


def check_picture(command: ProfileOptions) -> None:
    """InputError for an --out that is neither a picture nor, with --by, a profile."""
    if command.out is None:
        return
    endings = [*FORMATS, *(["json"] if command.options.by else [])]
    if command.out.suffix.removeprefix(".").lower() not in endings:
        raise InputError(f"--out {command.out}: give a name that ends in .{', .'.join(endings)}")
