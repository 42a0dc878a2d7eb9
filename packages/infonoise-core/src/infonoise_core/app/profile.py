"""The verb `profile` of every domain: what a run has measured, in words and as a picture."""

from pathlib import Path

import torch

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.app.options import ProfileOptions
from infonoise_core.app.trained import open_trained
from infonoise_core.files import check_output
from infonoise_core.plot import draw_profile, figure, save_figure
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
    show_profile(command.run, command.out, overwrite=command.overwrite)


def show_profile(run: Path, out: Path | None = None, *, overwrite: bool = False) -> None:
    """Print the profile's entropy and quantiles; draw it if a file is given.

    Args:
        run: The folder of a run, or a profile that was saved by itself.
    """
    profile = profile_of(run)
    if out is not None:
        fig, ax = figure()
        draw_profile(ax, profile)
        save_figure(fig, out, overwrite=overwrite)
    low, high = float(profile.edges[0]), float(profile.edges[-1])
    seen = profile.stderr.isfinite()
    error = float((profile.stderr * profile.width)[seen].square().sum().sqrt())
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
