"""Chains that are given the class, generated sets like real ones, and the made-up data's checks."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from infonoise_bio.alphabet import MASKED
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.chains import (
    chain_lines,
    chains_by_class,
    reference_bits,
    sampled_by_class,
)
from infonoise_bio.evaluation.markov import markov_bits
from infonoise_bio.evaluation.measures import Subject, likelihood_table
from infonoise_bio.evaluation.planted import exact_bits, planted_rows
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.registry import DIFFUSION
from infonoise_bio.sampling.sequences import Sampling
from infonoise_bio.synthetic import DEMO, demo_sequences


def labelled(n=200, masked=False):
    """Class x is all A, class y all C: a chain for each has next to nothing to tell."""
    codes = np.repeat(np.array([0, 1], np.uint8), n)[:, None].repeat(8, axis=1)
    if masked:
        codes[:, 3] = MASKED
    ids = np.array([str(i) for i in range(2 * n)])
    labels = np.repeat([0, 1], n)
    return SequenceSet("made up", codes, ids, np.zeros(2 * n, np.uint8), labels, ("x", "y"))


def test_chains_are_given_the_class():
    data = labelled()
    given, not_given = chains_by_class(data, data), markov_bits(data.codes, data.codes)
    assert given.everywhere[0] < 0.1
    assert not_given.everywhere[0] == pytest.approx(1.0, abs=0.05)
    assert given.everywhere[0] == pytest.approx(
        np.mean([markov_bits(p, p).everywhere[0] for p in (data.codes[:200], data.codes[200:])])
    )


def test_sequences_of_chains_are_of_their_class_and_known_where_real_ones_are():
    data = labelled(masked=True)
    like = data.take(np.arange(190, 210))
    drawn = sampled_by_class(data, like, 0, np.random.default_rng(0))
    assert ((drawn == MASKED) == (like.codes == MASKED)).all()
    # Of a class that is all A, a chain for both would have half of it C.
    for label in (0, 1):
        own = drawn[like.labels == label]
        assert (own[own != MASKED] == label).mean() > 0.9
    pooled = sampled_by_class(replace(data, labels=None), like, 0, np.random.default_rng(0))
    assert 0.3 < (pooled[pooled != MASKED] == 0).mean() < 0.7


def test_chains_for_all_classes_stand_beside_those_of_each():
    data = labelled()
    given, not_given = chains_by_class(data, data), markov_bits(data.codes, data.codes)
    assert reference_bits(data, data) == {
        "Markov": given.best,
        "Markov by position": given.best_by_position,
        "Markov, all classes": not_given.best,
        "Markov by position, all classes": not_given.best_by_position,
    }
    assert set(reference_bits(replace(data, labels=None), data)) == {"Markov", "Markov by position"}


def test_a_line_names_both_chains():
    data = labelled()
    chains = chains_by_class(data, data)
    (line,) = chain_lines(data, data)
    assert line.startswith("Markov chains, one for each class: ")
    assert f"{chains.everywhere[chains.best_order]:.4f} (order {chains.best_order})" in line
    assert f"{chains.by_position[chains.best_position_order]:.4f} by position" in line


def test_planted_rows_hold_for_new_draws():
    data = demo_sequences(1000)
    train, test = data.part("train"), data.part("test")
    pairs = [(part.codes, part.labels) for part in (train, test, data.part("val"))]
    rows = planted_rows(*pairs, order=3)
    entropies = [s.entropy() / s.length / math.log(2) for s in DEMO.values()]
    assert exact_bits(test.labels) == pytest.approx(np.mean(entropies))
    assert len(rows) == sum(len(source.planted) for source in DEMO.values())
    windows = [(s, w) for s in DEMO.values() for w in s.planted]
    for row, (source, window) in zip(rows, windows, strict=True):
        rate = source.rate(window)
        # 100 sequences of each class: four standard errors.
        assert abs(row.generated - rate) < 4 * math.sqrt(rate * (1 - rate) / 100)
        assert abs(row.real - rate) < 4 * math.sqrt(rate * (1 - rate) / 800)
        assert row.markov < row.real


def test_the_likelihood_stands_beside_both_kinds_of_chains():
    data = demo_sequences(400)
    training, held_out = data.part("train"), data.part("test")
    denoiser = DIFFUSION.task(Objective("forward"), training, seed=0).denoiser
    subject = Subject(denoiser, "forward", 0.002, 80.0, Sampling(torch.ones(1)))
    table = likelihood_table(subject, training, held_out, levels=2)
    (row,) = table.rows
    # Before training the model is that of independent bases.
    assert row.values["model"] == pytest.approx(row.values["independent bases"], abs=1e-5)
    chains = chains_by_class(training, held_out)
    assert row.values["Markov"] == min(chains.everywhere.values())
    # The motifs have their places: a chain for each position knows them.
    assert row.values["Markov by position"] == min(chains.by_position.values())
    assert row.values["Markov by position"] < row.values["Markov"] < row.values["model"]
    assert row.values["exact"] == exact_bits(held_out.labels) < row.values["Markov by position"]
    assert row.better == "lower"
    other = likelihood_table(subject, replace(training, source="x.fa"), held_out, levels=2)
    assert "exact" not in other.columns
