"""What the pictures of benchmark pages have in common: colours, panels, and dots with errors."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which all kinds of colour vision tell apart.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9",
)  # fmt: skip
INK, PALE = "0.2", "0.6"
# Kind of schedule -> colour, marker, and what the legend calls it.
KINDS = {
    "ours": (BLUE, "D", "infonoise"),
    "fixed": (INK, "o", "fixed"),
    "adaptive": (ORANGE, "s", "adaptive baseline"),
    "oracle": (GREEN, "^", "known beforehand"),
}
_ADAPTIVE = {"loss-second-moment", "cdcd", "adaptive-loss"}

Results = Mapping[str, Any]


def kind(schedule: str) -> str:
    """Which of KINDS a schedule is, by its name."""
    if schedule.startswith("infonoise"):
        return "ours"
    if schedule == "iid-oracle":
        return "oracle"
    return "adaptive" if schedule in _ADAPTIVE else "fixed"


def panels(
    count: int,
    width: float,
    height: float,
    rows: int = 1,
    heights: Sequence[float] | None = None,
    sharey: bool = False,
) -> "tuple[Figure, list[Axes]]":
    """A figure of so many axes in rows, in inches; heights: of the rows, relative."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height))
    # Fonts differ: a margin for names that come out wider than here.
    fig.set_layout_engine("constrained", w_pad=0.12)
    axes = fig.subplots(
        rows, count // rows, squeeze=False, sharey=sharey,
        gridspec_kw=None if heights is None else {"height_ratios": heights},
    ).ravel().tolist()  # fmt: skip
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25, linewidth=0.6)
        ax.set_axisbelow(True)
    return fig, axes


def number(cell: Any) -> tuple[float, float]:
    """A cell's mean and standard error: of "0.2859 ± 0.0004", of a number, of a share in text."""
    if not isinstance(cell, str):
        return float(cell), 0.0
    mean, _, error = cell.rstrip("*").partition(" ± ")
    return float(mean), float(error or 0)


def table(results: Results, section: str, title: str = "") -> Mapping[str, Any]:
    """A table of a section by the start of its title; the first without one."""
    tables: list[Mapping[str, Any]] = results["sections"][section]["tables"]
    return next(one for one in tables if one["title"].startswith(title))


def column(found: Mapping[str, Any], name: str) -> list[Any]:
    """The cells of a table's column."""
    place = found["columns"].index(name)
    return [row[place] for row in found["rows"]]


def quality(ax: "Axes", results: Results, section: str, measure: str) -> list[str]:
    """A measure against training steps, a line for each seed, where the results keep the way there;
    else where it ended. The names of the schedules.
    """
    found = table(results, section)
    names = column(found, "schedule")
    ways = results["sections"][section].get("curves")
    if ways:
        _curves(ax, ways)
        ax.set(xlabel="training steps", ylabel=f"{measure}, lower is better")
    else:
        _dots(ax, names, column(found, measure))
        ax.set_xlabel(f"{measure}, lower is better")
        ax.locator_params(axis="x", nbins=6)
    return names


def _dots(ax: "Axes", names: Sequence[str], cells: Sequence[Any]) -> None:
    """One line for each schedule, best on top: mean and standard error over seeds."""
    order = sorted(range(len(names)), key=lambda i: number(cells[i])[0], reverse=True)
    for place, i in enumerate(order):
        mean, error = number(cells[i])
        color, marker, _ = KINDS[kind(names[i])]
        ax.errorbar(
            mean, place, xerr=error or None, color=color, marker=marker, markersize=6, capsize=2,
            linestyle="none",
        )  # fmt: skip
    ax.set_yticks(range(len(order)), [names[i] for i in order])
    for label, i in zip(ax.get_yticklabels(), order, strict=True):
        if kind(names[i]) == "ours":
            label.set(color=BLUE, fontweight="bold")
    ax.margins(y=0.08)


def kinds_legend(fig: "Figure", names: Sequence[str]) -> None:
    """What the markers mean, below the panels."""
    from matplotlib.lines import Line2D

    shown = [one for one in KINDS if one in {kind(name) for name in names}]
    handles = [
        Line2D([], [], color=KINDS[one][0], marker=KINDS[one][1], linestyle="none", markersize=6)
        for one in shown
    ]
    labels = [KINDS[one][2] for one in shown]
    fig.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(shown),
        frameon=False,
        columnspacing=1.2,
        handletextpad=0.3,
    )


def _curves(ax: "Axes", ways: Sequence[Mapping[str, Any]]) -> None:
    """One line for each seed of each schedule, with the schedule's name where they end."""
    ends: dict[str, list[float]] = {}
    last = 0.0
    for way in ways:
        color, _, _ = KINDS[kind(way["schedule"])]
        ours = kind(way["schedule"]) == "ours"
        ax.plot(
            way["steps"], way["values"], color=color, linewidth=1.7 if ours else 1.0,
            alpha=0.9 if ours else 0.6,
        )  # fmt: skip
        ends.setdefault(way["schedule"], []).append(way["values"][-1])
        last = max(last, way["steps"][-1])
    for schedule, values in ends.items():
        ax.annotate(
            schedule, (last, sum(values) / len(values)), (4, 0), textcoords="offset points",
            color=KINDS[kind(schedule)][0], fontsize=7.5, va="center", annotation_clip=False,
        )  # fmt: skip
    # The first evaluations would squeeze all others together.
    seen = sorted(value for way in ways for value in way["values"])
    top = seen[3 * len(seen) // 4]
    ax.set_ylim(seen[0] - 0.05 * (top - seen[0]), top)
