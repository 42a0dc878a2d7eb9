"""The picture of memory against processes: estimates, and beside them what was measured.

    python docs/_ext/memory_picture.py docs/_static/memory.svg

The lines are `estimate`'s; the points are the table "How close it came" of training-at-scale.md.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.figure import Figure

from infonoise_core.app.memory import estimate
from infonoise_core.plot import save_figure
from infonoise_core.training.config import EngineConfig

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GUIDE = Path(__file__).parents[1] / "training-at-scale.md"
MEASURED = "### How close it came"
PARAMETERS = 462_400_000
PROCESSES = (1, 2, 4, 8, 16, 32, 64)
# Okabe and Ito's colours, which all kinds of colour vision tell apart.
ENGINES = {
    "torch": (EngineConfig(precision="bf16"), "0.2"),
    "--zero 0": (EngineConfig(engine="deepspeed", zero=0, precision="bf16"), "#CC79A7"),
    "--zero 1": (EngineConfig(engine="deepspeed", zero=1, precision="bf16"), "#E69F00"),
    "--zero 2": (EngineConfig(engine="deepspeed", zero=2, precision="bf16"), "#0072B2"),
    "--zero 3": (EngineConfig(engine="deepspeed", zero=3, precision="bf16"), "#009E73"),
}


def measured() -> list[tuple[str, float, float]]:
    """Engine, MiB that were held at most, and those that were estimated."""
    table = GUIDE.read_text().split(MEASURED)[1].split("\n\n")[2]
    rows = [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    return [(row[0].split(",")[0], float(row[4]), float(row[5])) for row in rows]


def draw(path: Path) -> None:
    """Write the picture in the format that the name ends in."""
    fig = Figure(figsize=(9, 3.4), layout="constrained")
    # Letters as letters: the outline of each would make the file three times as large.
    with rc_context({"svg.fonttype": "none", "font.size": 9.5, "axes.titlesize": 10}):
        against, close = fig.subplots(1, 2)
        for ax in (against, close):
            ax.spines[["top", "right"]].set_visible(False)
            ax.grid(alpha=0.25, linewidth=0.6)
        _against_processes(against)
        _close(close)
        save_figure(fig, path, overwrite=True)


def _against_processes(ax: "Axes") -> None:
    for name, (engine, color) in ENGINES.items():
        peaks = [estimate(PARAMETERS, engine, n).peak / 2**30 for n in PROCESSES]
        style = "o--" if name == "--zero 0" else "o-"
        ax.plot(PROCESSES, peaks, style, color=color, markersize=4, label=name)
    ax.set(
        xscale="log", ylim=(0, None), xlabel="processes", ylabel="GiB of each process at most",
        title="462 million parameters in bf16, without activations",
    )  # fmt: skip
    ax.set_xticks(PROCESSES, map(str, PROCESSES))
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=9)


def _close(ax: "Axes") -> None:
    for name, held, estimated in measured():
        _, color = next(ENGINES[known] for known in ENGINES if name.startswith(known))
        ax.plot(estimated, held, "o", color=color, markersize=6, alpha=0.8)
    ax.axline((150, 150), slope=1, color="0.6", linestyle=":")
    ax.text(176, 170, "as estimated", color="0.4", fontsize=9)
    ax.set(
        xlabel="MiB estimated", ylabel="MiB measured", xlim=(120, 210), ylim=(120, 210),
        title="8.5 million parameters, one and two processes",
    )  # fmt: skip


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
