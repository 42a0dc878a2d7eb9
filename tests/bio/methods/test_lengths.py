"""Training and measuring sequences of several lengths: padding has no part in any number."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from infonoise_bio.alphabet import MASKED, base_frequencies
from infonoise_bio.data.batch import example_batch
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.bound import LikelihoodBound
from infonoise_bio.methods.diffusion import DnaTask
from infonoise_bio.methods.options import LOSS_NAMES, Objective
from infonoise_bio.methods.recipe import encoding_of, model_config
from infonoise_bio.methods.registry import BASELINES, DIFFUSION
from infonoise_bio.models.denoiser import make_denoiser
from infonoise_bio.sampling.sequences import Sampling, design, infill

LENGTHS = np.array([9, 4, 14, 7, 11, 14])


def sequences(longest: int = 14, lengths: np.ndarray = LENGTHS, shares=None) -> SequenceSet:
    """The same bases whatever is padded to."""
    rng = np.random.default_rng(0)
    codes = np.full((len(lengths), longest), MASKED, np.uint8)
    for row, length in zip(codes, lengths, strict=True):
        row[:length] = rng.choice(4, length, p=shares)
    n = len(lengths)
    ids = np.array([f"s{i}" for i in range(n)])
    return SequenceSet("made", codes, ids, np.zeros(n, np.uint8), lengths=lengths)


def moved(task: DnaTask) -> DnaTask:
    g = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in task.denoiser.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=g))
    task.denoiser.double().eval()
    return task


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("strand", ["forward", "both"])
def test_padding_changes_no_loss(loss, strand):
    objective = Objective(strand, loss=loss)
    task = DIFFUSION.task(objective, sequences(), seed=0)
    wide = moved(DIFFUSION.task(objective, sequences(20), seed=0))
    assert wide.units == task.units == round(LENGTHS.mean())
    rng = torch.Generator().manual_seed(2)
    sigma = torch.rand(6, generator=rng, dtype=torch.float64) + 0.3
    eps = torch.randn(6, 4, 20, generator=rng, dtype=torch.float64)
    found = []
    for one, longest in ((task, 14), (wide, 20)):
        batch = one.batch(np.arange(6))
        batch = replace(batch, x0=batch.x0.double())
        torch.manual_seed(1)  # which examples are turned to their other strand
        with torch.no_grad():
            found.append(one.losses(wide.denoiser, batch, sigma, eps[:, :, :longest]))
    for first, second in zip(*((f.loss, f.squared_error) for f in found), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-12, atol=1e-12)
        assert bool((first > 0).all())


@pytest.mark.parametrize("method", [DIFFUSION, *BASELINES.values()], ids=lambda m: m.name)
def test_a_batch_of_short_sequences_ends_early_and_learns_the_same(method):
    task = method.task(Objective("forward", loss="cross-entropy"), sequences(), seed=0)
    short, wide = np.array([1, 3]), np.array([1, 3, 2])  # of 4, 7 and 14 bases
    assert task.batch(short).condition["mask"].shape == (2, 8)
    assert task.batch(wide).condition["mask"].shape == (3, 14)
    # The noise is that of the widest: none of it hangs on the other rows.
    eps = torch.randn(3, 4, 14, generator=torch.Generator().manual_seed(0))
    assert task.batch(short).x0.shape[2] == eps.shape[2]
    if method.name == "masked":
        return  # what is hidden is drawn by the number of places
    with torch.no_grad():
        first, second = (
            task.losses(task.denoiser, task.batch(rows), torch.ones(len(rows)), eps[: len(rows)])
            for rows in (short, wide)
        )
    torch.testing.assert_close(first.loss, second.loss[:2])


def test_every_base_counts_alike():
    """The mean loss of all sequences is that per base of all, not the mean of shares."""
    objective = Objective("forward", loss="cross-entropy")
    data = sequences()
    task = DIFFUSION.task(objective, data, seed=0)
    # At so much noise independent bases are told by their frequencies alone.
    sigma, eps = torch.full((6,), 1e4), torch.zeros(6, 4, 14)
    loss = task.losses(task.denoiser, task.batch(np.arange(6)), sigma, eps).loss.detach()
    cost = -base_frequencies(data.codes, both_strands=False).log().numpy()
    per_base = cost[data.codes[data.mask]].mean()
    assert float(loss.mean()) == pytest.approx(per_base, rel=1e-4)


@pytest.mark.parametrize("longest", [14, 40])
def test_independent_bases_of_any_length_cost_their_entropy(longest):
    shares = [0.4, 0.1, 0.2, 0.3]
    lengths = np.random.default_rng(1).integers(3, 15, 400)
    data, objective = sequences(longest, lengths, shares), Objective("forward")
    encoding, frequencies = encoding_of(objective), torch.tensor(shares, dtype=torch.float64)
    config = replace(model_config(objective, data), frequencies=tuple(shares))
    batch = example_batch(data, np.arange(400), encoding)
    bound = LikelihoodBound(batch, encoding, frequencies, 0.002, 80.0, levels=4)
    bits = bound(make_denoiser(config, encoding, seed=0))
    # Of these very sequences exactly, and so of the source up to the draw.
    cost = -np.log2(shares)[data.codes[data.mask]]
    assert bits.value == pytest.approx(cost.mean(), abs=1e-5)
    entropy = -sum(p * math.log2(p) for p in shares)
    assert abs(bits.value - entropy) < 4 * cost.std() / math.sqrt(len(cost))


@torch.no_grad()
@pytest.mark.parametrize("method", BASELINES.values(), ids=BASELINES)
def test_baselines_do_not_see_padding(method):
    objective = Objective("forward")
    task = moved(method.task(objective, sequences(20), seed=0))
    task.denoiser.float()
    found = []
    for longest in (14, 20):
        data = sequences(longest)
        bits = method.evaluation(objective, data, data)
        bits.levels = 128  # of the masked model: orders at random
        found.append(bits(task.denoiser)["bits_per_base"])
    tolerance = 1e-5 if method.name == "autoregressive" else 0.05
    assert found[0] == pytest.approx(found[1], abs=tolerance)


def test_new_sequences_end_where_they_should():
    objective = Objective("forward")
    task = DIFFUSION.task(objective, sequences(), seed=0)
    sampling = Sampling(torch.tensor([10.0, 1.0, 0.1]), chunk=7)
    codes = np.concatenate(list(design(task.denoiser, 20, sampling)))
    ends = (codes != MASKED).sum(1)
    assert set(ends.tolist()) <= set(LENGTHS.tolist())
    assert all((row[:end] < MASKED).all() for row, end in zip(codes, ends, strict=True))
    assert len(set(ends.tolist())) > 1
    # The same for the same seed, whatever the chunk.
    again = np.concatenate(list(design(task.denoiser, 20, replace(sampling, chunk=20))))
    assert ((again != MASKED).sum(1) == ends).all()


def test_templates_are_filled_up_to_their_own_end():
    task = DIFFUSION.task(Objective("forward", infill=0.5), sequences(), seed=0)
    templates = sequences().codes.copy()
    templates[:, 1] = MASKED
    sampling = Sampling(torch.tensor([10.0, 1.0]))
    (codes,) = infill(task.denoiser, templates, sampling, lengths=LENGTHS)
    assert ((codes != MASKED).sum(1) == LENGTHS).all()
    given = templates != MASKED
    assert (codes[given] == templates[given]).all()
