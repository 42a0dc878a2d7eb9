"""Figures of profiles, densities and learning curves; needs the [plot] extra."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.files import check_output, whole_file
from infonoise_core.profiles.profile import EntropyRateProfile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Formats of a saved figure, and what they call the date, which would make every file differ.
FORMATS = ("svg", "png", "pdf")
_DATE = {"svg": "Date", "pdf": "CreationDate"}

# Space above the tallest curve, as a factor; and how far above it a ceiling may lie to be drawn, so
# that it does not press all curves down.
_ROOM, _NEAR = 1.05, 2.5
# So also above what is believed, where the losses themselves are dotted.
_HEADROOM = 1.3

# Points of a density over sigma, both (k,).
Curve = tuple[Sequence[float], Sequence[float]]


def figure(width: float = 6.4, height: float = 3.6) -> "tuple[Figure, Axes]":
    """An empty figure that no window system knows of, in inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("plots need matplotlib: pip install 'infonoise-core[plot]'") from None
    fig = Figure(figsize=(width, height), layout="constrained")
    ax = fig.add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25, linewidth=0.6)
    return fig, ax


def draw_profile(
    ax: "Axes",
    profile: EntropyRateProfile,
    label: str = "entropy rate",
    color: str = "0.15",
    gated: Tensor | None = None,
) -> None:
    """Rate with a band of one standard error, in nats per unit log sigma and example.

    The axis holds the tallest rate that has been drawn on it, whole.

    Args:
        gated: (K,) the part of the rate that a gate believes, filled. With it, what the losses
            showed without any bound is dotted, up to the top of the axis, and the ceiling of one
            nat per dimension is a line: a network's own weakness at low noise shows in both.
    """
    sigma, rate = profile.sigma.numpy(), profile.rate.numpy()
    seen = profile.stderr.isfinite().numpy()
    ax.plot(sigma, rate, color=color, linewidth=1.8, label=label)
    error = profile.stderr.numpy()[seen]
    low, high = rate[seen] - error, rate[seen] + error
    ax.fill_between(sigma[seen], low, high, color=color, alpha=0.2, linewidth=0)
    top = max(float(np.max(np.asarray(line.get_ydata()))) for line in ax.lines)
    if gated is not None:
        ax.fill_between(sigma, 0, gated.numpy(), color=color, alpha=0.12, linewidth=0)
        if profile.dim is not None and profile.dim <= _NEAR * top:
            top = max(top, float(profile.dim))
            ceiling = np.full(len(sigma), float(profile.dim))
            ax.plot(sigma, ceiling, color=color, linewidth=0.8, linestyle="--")
        if profile.raw is not None:
            raw = profile.raw.clamp_max(_ROOM * top).numpy()
            ax.plot(sigma, raw, color=color, linewidth=1.0, linestyle=":")
    ax.set(xscale="log", xlabel="noise level sigma", ylabel="nats per unit log sigma")
    ax.set_ylim(0, _ROOM * top if top > 0 else None)


def draw_profiles(
    ax: "Axes",
    profiles: Mapping[str, EntropyRateProfile],
    gated: Mapping[str, Tensor] | None = None,
) -> None:
    """Several rates in one picture, named if there is more than one.

    Args:
        gated: Name -> (K,) the part that a gate believes.
    """
    gated = gated or {}
    if len(profiles) == 1:
        (name,) = profiles
        draw_profile(ax, profiles[name], gated=gated.get(name))
        return
    for i, (name, profile) in enumerate(profiles.items()):
        draw_profile(ax, profile, name, f"C{i % 10}", gated.get(name))
    ax.legend(frameon=False, fontsize="small")


def draw_believed(
    ax: "Axes",
    profile: EntropyRateProfile,
    believed: Tensor,
    label: str = "believed: what draws follow",
) -> None:
    """The part of a rate that draws follow, filled, and dotted what the losses show beside it.

    The axis holds the believed part whole; where a network is too weak for low noise, its losses
    leave the picture at the top.

    Args:
        believed: (K,) what a schedule's ceiling and gate leave of the rate.
    """
    sigma, shown = profile.sigma.numpy(), profile.rate.numpy()
    kept = believed.numpy()
    top = float(kept.max()) if float(kept.max()) > 0 else float(shown.max())
    ax.plot(sigma, kept, color="0.15", linewidth=1.8, label=label)
    ax.fill_between(sigma, 0, kept, color="0.15", alpha=0.12, linewidth=0)
    seen = profile.stderr.isfinite().numpy() & (shown > 0)
    error = (profile.stderr.numpy()[seen] / shown[seen]) * kept[seen]
    low, high = kept[seen] - error, kept[seen] + error
    ax.fill_between(sigma[seen], low, high, color="0.15", alpha=0.2, linewidth=0)
    ax.plot(
        sigma, np.minimum(shown, _HEADROOM * top), color="0.45", linewidth=1.0, linestyle=":",
        label="shown by the losses",
    )  # fmt: skip
    ax.set(xscale="log", xlabel="noise level sigma", ylabel="nats per unit log sigma")
    ax.set_ylim(0, _HEADROOM * top if top > 0 else None)
    ax.legend(frameon=False, fontsize="small")


def draw_densities(ax: "Axes", densities: Mapping[str, Curve]) -> None:
    """Training densities per unit log sigma, one filled line each."""
    for i, (name, (sigma, density)) in enumerate(densities.items()):
        ax.plot(sigma, density, color=f"C{i}", linewidth=1.5, label=name)
        ax.fill_between(sigma, 0, density, color=f"C{i}", alpha=0.08, linewidth=0)
    ax.set(
        xscale="log", xlabel="noise level sigma", ylabel="draws per unit log sigma", ylim=(0, None)
    )
    ax.legend(frameon=False, fontsize="small")


def draw_history(
    ax: "Axes", steps: Sequence[int], sigma: Sequence[float], densities: Sequence[Sequence[float]]
) -> None:
    """A density per unit log sigma as it changed.

    Noise levels upwards, training from left to right, darker where more is drawn.

    Args:
        densities: One of sigma's length for each step.
    """
    from matplotlib.colors import LogNorm

    values = list(zip(*densities, strict=True))
    top = max(max(row) for row in values)
    image = ax.pcolormesh(
        [*steps], [*sigma], values, shading="nearest", cmap="magma_r", rasterized=True,
        norm=LogNorm(vmin=top / 100, vmax=top, clip=True),
    )  # fmt: skip
    ax.set(yscale="log", xlabel="updates", ylabel="noise level sigma")
    ax.grid(visible=False)
    ax.get_figure().colorbar(image, ax=ax, label="draws per unit log sigma")  # type: ignore[union-attr]


def to_svg(fig: "Figure") -> str:
    """The figure as an <svg> element that can stand inside a page."""
    text = io.StringIO()
    _write(fig, text, "svg")
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def save_figure(fig: "Figure", path: Path, *, overwrite: bool = False) -> None:
    """Write the figure whole or not at all, in the format that the name ends in.

    Raises:
        InputError: For a file that exists, unless `overwrite`, and for an unknown ending.
    """
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise InputError(f"--out {path}: give a name that ends in .{', .'.join(FORMATS)}")
    check_output(path, overwrite)
    with whole_file(path) as temporary:
        _write(fig, temporary, form)


def _write(fig: "Figure", target: Path | io.StringIO, form: str) -> None:
    """The same bytes every time: no date, and names inside an svg that follow from its content."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "infonoise"}):
        fig.savefig(target, format=form, metadata=None if form == "png" else {_DATE[form]: None})
