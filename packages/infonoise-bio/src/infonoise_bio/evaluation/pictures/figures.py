"""Pictures of sets of sequences for the page about a run: logos, GC content, 6-mers."""

from collections.abc import Mapping

import numpy as np

from infonoise_bio.alphabet import Codes
from infonoise_bio.evaluation.composition import gc_content, kmer_counts
from infonoise_bio.evaluation.pictures.logo import draw_logo, letter_heights
from infonoise_core.plot import figure, to_svg


def of_sets(sets: Mapping[str, Codes]) -> dict[str, str]:
    """Caption -> SVG.

    Args:
        sets: Name -> codes (n, L); the first set is what the others are compared with.
    """
    heights = [float(letter_heights(codes).sum(1).max()) for codes in sets.values()]
    top = 1.02 * max(0.05, *heights)
    first = next(iter(sets))
    return {
        **{f"Logo of the {name} sequences.": _logo(codes, top) for name, codes in sets.items()},
        "GC content of a sequence.": _gc(sets),
        f"Counts of 6-mers, against those of the {first} sequences.": _kmers(sets),
    }


def _logo(codes: Codes, top: float) -> str:
    fig, ax = figure(12, 1.8)
    ax.grid(visible=False)
    draw_logo(ax, codes, top)
    return to_svg(fig)


def _gc(sets: Mapping[str, Codes]) -> str:
    fig, ax = figure()
    for name, codes in sets.items():
        share = gc_content(codes)
        ax.hist(share[np.isfinite(share)], bins=25, range=(0, 1), histtype="step", label=name)
    ax.set(xlabel="GC content", ylabel="sequences")
    ax.legend(frameon=False, fontsize="small")
    return to_svg(fig)


def _kmers(sets: Mapping[str, Codes]) -> str:
    fig, ax = figure()
    first, *names = sets
    k = min(6, sets[first].shape[1])
    real, *others = (kmer_counts(codes, k) for codes in sets.values())
    for i, (name, counts) in enumerate(zip(names, others, strict=True), 1):
        # On log scales, where none is half of one.
        ax.plot(
            real.clip(0.5), counts.clip(0.5), f"C{i}.", markersize=2, label=name, rasterized=True
        )
    ax.set(xscale="log", yscale="log", xlabel=first, ylabel="count")
    ax.legend(frameon=False, fontsize="small")
    return to_svg(fig)
