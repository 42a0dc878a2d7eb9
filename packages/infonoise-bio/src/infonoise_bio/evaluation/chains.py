"""Markov chains that are given what a model is given: its classes."""

import math

import numpy as np

from infonoise_bio.alphabet import MASKED
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.markov import MarkovBits, markov_bits


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


def chain_lines(training: SequenceSet, held_out: SequenceSet) -> list[str]:
    """The bits per base of the best chains, in a line."""
    chains = chains_by_class(training, held_out)
    everywhere, by_position = chains.best_order, chains.best_position_order
    each = ", one for each class" if training.labels is not None else ""
    return [
        f"Markov chains{each}: {chains.everywhere[everywhere]:.4f} (order {everywhere}),"
        f" {chains.by_position[by_position]:.4f} by position (order {by_position})"
    ]
