"""Markov chains that are given what a model is given: its classes."""

import math

import numpy as np

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.markov import MarkovBits, fit_markov, markov_bits


def chains_by_class(training: SequenceSet, held_out: SequenceSet) -> MarkovBits:
    """Markov chains that are given what the model is given: one for each class."""
    if training.labels is None or held_out.labels is None:
        return markov_bits(training.codes, held_out.codes)
    found, weights = [], []
    for label in np.unique(held_out.labels):
        own = held_out.codes[held_out.labels == label]
        found.append(markov_bits(training.codes[training.labels == label], own))
        weights.append(int((own != MASKED).sum()))
    return MarkovBits(
        _weighted([f.everywhere for f in found], weights),
        _weighted([f.by_position for f in found], weights),
    )


def _weighted(tables: list[dict[int, float]], weights: list[int]) -> dict[int, float]:
    total = math.fsum(weights)
    return {
        order: math.fsum(t[order] * w for t, w in zip(tables, weights, strict=True)) / total
        for order in tables[0]
    }


def sampled_by_class(
    training: SequenceSet, like: SequenceSet, order: int, rng: np.random.Generator
) -> Codes:
    """Sequences of chains, one for each of `like` (n, L): of its class, and known where it is."""
    codes = np.empty_like(like.codes)
    classes = np.zeros(len(like), np.int64) if like.labels is None else like.labels
    for label in np.unique(classes):
        rows = np.flatnonzero(classes == label)
        own = training.codes
        if like.labels is not None and training.labels is not None:
            of_class = own[training.labels == label]
            own = of_class if len(of_class) else own
        codes[rows] = fit_markov(own, order).sample(len(rows), like.length, rng)
    return np.where(like.mask, codes, MASKED).astype(np.uint8)


def reference_bits(training: SequenceSet, held_out: SequenceSet) -> dict[str, float]:
    """Held-out bits per base of the best chains by name, those that know classes first."""
    each = chains_by_class(training, held_out)
    classes = training.labels is not None and held_out.labels is not None
    found = {"Markov": each.best, "Markov by position": each.best_by_position}
    if classes:
        pooled = markov_bits(training.codes, held_out.codes)
        found |= {
            "Markov, all classes": pooled.best,
            "Markov by position, all classes": pooled.best_by_position,
        }
    return found


def chain_lines(training: SequenceSet, held_out: SequenceSet) -> list[str]:
    """The bits per base of the best chains, in a line."""
    chains = chains_by_class(training, held_out)
    each = ", one for each class" if training.labels is not None else ""
    return [
        f"Markov chains{each}: {chains.best:.4f} (order {chains.best_order}),"
        f" {chains.best_by_position:.4f} by position (order {chains.best_position_order})"
    ]
