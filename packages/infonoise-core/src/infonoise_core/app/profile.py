"""The verb `profile` of every domain: what a run has measured, in words and as a picture."""

import sys
from pathlib import Path

import torch
from torch import Tensor

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.app.options import ProfileOptions
from infonoise_core.app.trained import open_trained, options_of
from infonoise_core.errors import InputError
from infonoise_core.files import check_output
from infonoise_core.plot import draw_believed, figure, save_figure
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.knowledge import believed_by
from infonoise_core.training.run_folder import read_run_of
from infonoise_core.training.run_profile import profile_of

_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


def run_profile(domain: Domain[Data, Options], command: ProfileOptions) -> None:
    """Show the run's profile, or let the domain measure what the options ask for."""
    if command.out is not None:
        check_output(command.out, command.overwrite)
    if domain.measures_profile(command):
        run = open_trained(domain, command.run, command.device)
        domain.profile(run, command)
        return
    believed = None if command.out is None else _believed(domain, command.run)
    show_profile(command.run, command.out, overwrite=command.overwrite, believed=believed)


def believed_of(
    domain: Domain[Data, Options], options: Options, data: Data, profile: EntropyRateProfile
) -> Tensor:
    """(K,) the part of a run's profile that `infonoise` draws by on these data."""
    try:
        schedule: object = domain.schedules(data, options)("infonoise", 1000)
    except InputError:  # under these options nothing is drawn by a profile
        schedule = None
    return believed_by(schedule, profile)


def _believed(domain: Domain[Data, Options], run: Path) -> Tensor | None:
    """The same of a run whose data lie where they lay; None, and a note, where they do not."""
    if not run.is_dir():  # a profile that was saved by itself
        return None
    try:
        settings = read_run_of(domain.interface.command, run)
        options = options_of(domain, settings)
        data = domain.load(str(settings["data"]), options)
    except InputError as error:
        print(
            f"note: the picture shows no ceiling, as that takes the data: {error}", file=sys.stderr
        )
        return None
    return believed_of(domain, options, data, profile_of(run))


def show_profile(
    run: Path, out: Path | None = None, *, overwrite: bool = False, believed: Tensor | None = None
) -> None:
    """Print the profile's entropy and quantiles; draw it if a file is given.

    Args:
        run: The folder of a run, or a profile that was saved by itself.
        out: Of the picture.
        overwrite: Whether a picture there may go.
        believed: (K,) the part of the rate that draws follow; without, what a gate leaves is drawn.
    """
    profile = profile_of(run)
    if out is not None:
        fig, ax = figure()
        if believed is None:
            draw_believed(ax, profile, believed_by(None, profile), "left by the gate")
        else:
            draw_believed(ax, profile, believed)
        save_figure(fig, out, overwrite=overwrite)
    low, high = float(profile.edges[0]), float(profile.edges[-1])
    seen = profile.stderr.isfinite()
    error = profile.entropy_stderr(seen=True)
    print(
        f"entropy   {profile.entropy():.2f} ± {error:.2f} nats per example,"
        f" between sigma {low:g} and {high:g}"
    )
    if not bool(seen.all()):
        filled = float((profile.cdf().diff())[~seen].sum())
        print(
            f"unseen    {int((~seen).sum())} of {len(seen)} bins of noise were hardly drawn in"
            f" training: {filled:.1%} of the entropy is filled in there, of unknown error"
        )
    levels = profile.quantile(torch.tensor(_SHARES, dtype=torch.float64)).tolist()
    print(
        "sigma at  " + "  ".join(f"{q:.0%} {s:.3g}" for q, s in zip(_SHARES, levels, strict=True))
    )
    if out is not None:
        print(f"{out}: written")
