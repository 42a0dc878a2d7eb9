"""`infonoise-text profile`: what a run has measured, or where in a window the information lies."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from infonoise_core.app.profile import show_profile
from infonoise_core.errors import InputError
from infonoise_core.plot import draw_profile, draw_profiles, figure, save_figure
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training.run_folder import PROFILE_FILE
from infonoise_text.data.windows import held_out_windows
from infonoise_text.evaluation.groups import By, measured_profile
from infonoise_text.methods.clusters.schedule import CLUSTERS_PROFILE
from infonoise_text.methods.trained import open_trained


@dataclass(frozen=True)
class ProfileCommand:
    """Show the entropy-rate profile a run has measured, or its parts on held-out text."""

    run: Positional[Path]
    """the --out of a train command, or a profile.json"""
    out: Path | None = None
    """write a picture here (.svg, .png or .pdf)"""
    overwrite: bool = False
    """replace the file --out"""
    by: By | None = None
    """measure the parts of each bit of a code, or of stretches of positions"""
    data: str | None = None
    """the text of --by, if it has moved since training"""
    windows: int = 64
    """held-out windows of --by"""
    save: Path | None = None
    """write the profile measured by --by here, as JSON"""
    device: str = "auto"
    """of --by: cpu, cuda or auto"""


def run_profile_command(config: ProfileCommand) -> None:
    """Without --by, what every domain prints."""
    if config.by is None:
        if config.save is not None:
            raise InputError("--save without --by: the run's profile.json is there already")
        if (config.run / CLUSTERS_PROFILE).exists():
            _run_both(config)
        else:
            show_profile(config.run, config.out, overwrite=config.overwrite)
        return
    run = open_trained(config.run, config.device)
    objective, codes = run.objective, run.codes_for("profile --by")
    split = run.corpus(config.data).split("valid")
    ids = held_out_windows(split, objective.length, config.windows)
    profile = measured_profile(
        run.denoiser, ids, codes, objective.sigma_min, objective.sigma_max, config.by
    )
    if config.out is not None:
        _draw(profile, config.out, config.overwrite)
    if config.save is not None:
        profile.save(config.save)
    _print(profile, len(ids))
    for path in (config.out, config.save):
        if path is not None:
            print(f"{path}: written")


def _run_both(config: ProfileCommand) -> None:
    """What every domain prints, of tokens and of clusters; one picture of both."""
    files = {"tokens": config.run / PROFILE_FILE, "clusters": config.run / CLUSTERS_PROFILE}
    if config.out is not None:
        fig, ax = figure()
        draw_profiles(ax, {name: EntropyRateProfile.load(p) for name, p in files.items()})
        save_figure(fig, config.out, overwrite=config.overwrite)
    for name, path in files.items():
        print(name)
        show_profile(path)
    if config.out is not None:
        print(f"{config.out}: written")


def _print(profile: EntropyRateProfile, windows: int) -> None:
    total = profile.entropy()
    print(
        f"{total:.2f} ± {profile.entropy_stderr():.2f} nats per window, of {windows} held-out"
        " windows in one pass"
    )
    for name, rate in profile.groups.items():
        part = EntropyRateProfile(profile.edges, rate, profile.stderr, profile.count)
        nats = part.entropy()
        middle = float(part.quantile(0.5)) if nats > 0 else float("nan")
        print(f"{name:>16}  {nats:8.2f} nats  {nats / total:6.1%}  half below sigma {middle:.3g}")


def _draw(profile: EntropyRateProfile, out: Path, overwrite: bool) -> None:
    from matplotlib import colormaps

    fig, ax = figure()
    draw_profile(ax, profile, "all")
    colours = colormaps["viridis"].resampled(len(profile.groups))
    for i, (name, rate) in enumerate(profile.groups.items()):
        ax.plot(profile.sigma.numpy(), rate.numpy(), color=colours(i), linewidth=1, label=name)
    ax.legend(frameon=False, fontsize="x-small", ncols=2)
    save_figure(fig, out, overwrite=overwrite)
