"""Pictures of profiles, and of a run's training density over time."""

from collections.abc import Sequence
from pathlib import Path

from infonoise_core.commands.options import Plot
from infonoise_core.commands.profiles import load_profiles
from infonoise_core.errors import InputError
from infonoise_core.folders.names import METRICS_FILE
from infonoise_core.plot import draw_history, draw_profiles, figure, save_figure
from infonoise_core.schedules.gates import slope_gate
from infonoise_core.training.record.metrics import read_lines


def run_plot(config: Plot) -> None:
    """Draw the profiles, or the density over time, and write the file."""
    if config.over_time:
        fig, ax = figure()
        draw_history(ax, *_history(config.files))
        save_figure(fig, config.out, overwrite=config.overwrite)
        print(f"{config.out}: written")
        return
    profiles = load_profiles(config.files)
    fig, ax = figure()
    gate = slope_gate()
    draw_profiles(ax, profiles, {name: gate(p) * p.rate for name, p in profiles.items()})
    save_figure(fig, config.out, overwrite=config.overwrite)
    print(f"{config.out}: written")


def _history(files: Sequence[Path]) -> tuple[list[int], list[float], list[list[float]]]:
    """Steps, noise levels, and a density for each step, of one run."""
    if len(files) != 1:
        raise InputError(f"--over-time draws one run; {len(files)} were given: give one folder")
    lines = files[0] / METRICS_FILE
    if not lines.is_file():
        raise InputError(f"{files[0]}: no {METRICS_FILE} here; give the --out of a train command")
    # A run that goes on may be writing its last line just now.
    records = read_lines(lines)
    found = {r["step"]: r["density"] for r in records if "density" in r}
    if not found:
        raise InputError(
            f"{files[0]}: no density was written; it is by adaptive schedules, every --save-every"
            " updates"
        )
    sigma = next(iter(found.values()))["sigma"]
    return list(found), sigma, [curve["density"] for curve in found.values()]
