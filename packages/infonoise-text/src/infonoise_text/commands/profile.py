"""Where in a window the information lies: what `profile` measures of a run of text."""

from pathlib import Path

from infonoise_core.app.domain import Domain
from infonoise_core.app.options import ProfileOptions
from infonoise_core.app.profile import show_profile
from infonoise_core.app.trained import TrainedRun, data_of
from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.plot import draw_profile, draw_profiles, figure, save_figure
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_text.data.corpus import Corpus
from infonoise_text.data.windows import held_out
from infonoise_text.evaluation.groups import measured_profile
from infonoise_text.methods.clusters.schedule import CLUSTERS_PROFILE
from infonoise_text.methods.options import TextOptions
from infonoise_text.methods.trained import TextRun


def run_profile(
    domain: Domain[Corpus, TextOptions], run: TrainedRun[TextOptions], command: ProfileOptions
) -> None:
    """The parts of a run's profile on held-out text, or both profiles of a run with clusters."""
    extras = command.options
    if extras.by is None:
        _show_both(command)
        return
    codes, objective = TextRun.of(run).codes_for("profile --by"), run.options.objective
    split = TextRun.of(run).split(data_of(domain, run, extras.data), "valid")
    found = held_out(split, objective.length, extras.windows).examples
    profile = measured_profile(
        run.denoiser, found.ids, codes, objective.sigma_min, objective.sigma_max, extras.by,
        known=found.known, ordered=TextRun.of(run).method.only_ordered,
    )  # fmt: skip
    if command.out is not None:
        _draw(profile, command.out, command.overwrite)
    if extras.save is not None:
        profile.save(extras.save)
    _print(profile, len(found.ids))
    for path in (command.out, extras.save):
        if path is not None:
            print(f"{path}: written")


def _show_both(command: ProfileOptions) -> None:
    """What every domain prints, of tokens and of clusters; one picture of both."""
    files = {"tokens": command.run / PROFILE_FILE, "clusters": command.run / CLUSTERS_PROFILE}
    if command.out is not None:
        fig, ax = figure()
        draw_profiles(ax, {name: EntropyRateProfile.load(p) for name, p in files.items()})
        save_figure(fig, command.out, overwrite=command.overwrite)
    for name, path in files.items():
        print(name)
        show_profile(path)
    if command.out is not None:
        print(f"{command.out}: written")


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
