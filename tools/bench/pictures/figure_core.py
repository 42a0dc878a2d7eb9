"""Pictures of the core's and the training loop's benchmarks."""

from typing import TYPE_CHECKING

from pictures.figure_style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PALE,
    RED,
    Results,
    number,
    panels,
    table,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 9.5


def core_gates(results: Results) -> "Figure":
    found = results["sections"]["adversarial"]["tables"]
    gates = found[0]["columns"][1:]
    losses = [row[0] for row in found[0]["rows"]]
    worst = [
        [max(number(one["rows"][i][1 + j])[0] for one in found) for j in range(len(gates))]
        for i in range(len(losses))
    ]
    fig, (ax,) = panels(1, 7.6, 4.2)
    ax.grid(visible=False)
    image = ax.imshow(worst, cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(worst):
        for j, share in enumerate(row):
            color = "white" if share > 0.6 else "0.1"
            ax.text(j, i, f"{share:.2f}", ha="center", va="center", color=color, fontsize=8.5)
    ax.set_xticks(range(len(gates)), gates)
    ax.set_yticks(range(len(losses)), losses)
    ax.get_xticklabels()[0].set(color=BLUE, fontweight="bold")
    ax.set(xlabel="gate (slope is the default)", ylabel="what the losses look like")
    ax.set_title(
        "draws wasted where nothing is left to learn, worst of seven data sets", fontsize=10
    )
    fig.colorbar(image, ax=ax)
    return fig


def core_solvers(results: Results) -> "Figure":
    found = table(results, "solvers", "Terminal KL, mixture")
    calls = [int(name.split()[1]) for name in found["columns"][2:]]
    solvers = dict.fromkeys(row[1] for row in found["rows"])
    grids = dict(
        zip(
            dict.fromkeys(row[0] for row in found["rows"]),
            (PALE, INK, ORANGE, RED, BLUE, GREEN),
            strict=True,
        )
    )
    fig, axes = panels(len(solvers), SIZE + 1, 3.6, sharey=True)
    for ax, solver in zip(axes, solvers, strict=True):
        for grid, name, *divergence in found["rows"]:
            if name == solver:
                ax.plot(
                    calls, divergence, color=grids[grid], marker="o", markersize=3.5, label=grid
                )
        ax.set(xscale="log", yscale="log", xlabel="calls of the denoiser", title=solver)
        ax.set_xticks(calls, map(str, calls))
        ax.minorticks_off()
    axes[0].set_ylabel("divergence from the data, nats")
    fig.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False
    )
    return fig


def training_engines(results: Results) -> "Figure":
    found = table(results, "two-processes")
    engines = [row[0] for row in found["rows"]]
    fig, (ax,) = panels(1, 7.2, 2.9)
    for j, (name, color, marker) in enumerate(
        (("losses", BLUE, "D"), ("profile", ORANGE, "s"), ("bits per dim", GREEN, "o"))
    ):
        values = [row[1 + j] for row in found["rows"]]
        ax.plot(
            values, range(len(engines)), linestyle="none", color=color, marker=marker, label=name
        )
    ax.axvline(2**-23, color=PALE, linestyle=":")
    ax.text(2**-23 * 1.1, -0.7, "last digit of fp32", color="0.4", fontsize=8, va="center")
    ax.set_yticks(range(len(engines)), engines)
    ax.set_ylim(len(engines) - 0.5, -1)
    ax.set(xscale="log", xlim=(1e-10, 1e-5), xlabel="relative difference from one process")
    ax.legend(frameon=False, fontsize=8.5, loc="upper right")
    return fig
