"""The embedded generator's own checks: its motifs at their places, and its exact entropy."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.evaluation.checks import Row
from infonoise_bio.evaluation.markov import fit_markov
from infonoise_bio.synthetic import DEMO, Planted, holds

Labels = NDArray[np.int64]


def exact_bits(labels: Labels) -> float:
    """Bits per base of the distribution that sequences with these labels were drawn from."""
    entropies = np.array([source.entropy() / source.length for source in DEMO.values()])
    return float(entropies[labels].mean()) / math.log(2)


def planted_rows(
    train: tuple[Codes, Labels],
    held_out: tuple[Codes, Labels],
    generated: tuple[Codes, Labels],
    order: int,
    seed: int = 0,
) -> list[Row]:
    """Each set with the class of each sequence.

    Args:
        order: Of the Markov chain, one for each class.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for label, (name, source) in enumerate(DEMO.items()):
        real, test, new = (codes[of == label] for codes, of in (train, held_out, generated))
        if not min(len(real), len(test), len(new)):
            continue
        chain = fit_markov(real, order).sample(len(test), source.length, rng)
        for window in source.planted:
            of_test, of_new, of_chain, of_real = (
                _share(codes, window) for codes in (test, new, chain, real)
            )
            strand = ", either strand" if window.both_strands else ""
            place = f"{window.start}-{window.start + window.jitter}"
            explanation = f"share that holds it there{strand}; exact: {source.rate(window):.4f}"
            title = f"{window.consensus} at {place}, {name}"
            rows.append(Row(title, explanation, of_test, of_new, of_chain, of_real))
    return rows


def _share(codes: Codes, window: Planted) -> float:
    part = codes[:, window.start : window.start + window.width]
    found = holds(torch.from_numpy(np.ascontiguousarray(part)), window)
    known = (part != MASKED).all(1)
    return float(found.numpy()[known].mean())
