"""Sequences from a denoiser: the law of an exact one, conditions, what is given, files."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from Bio import SeqIO

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.models.config import Conditions, ModelConfig
from infonoise_bio.models.denoiser import BaseDenoiser, make_denoiser
from infonoise_bio.models.encoding import make_encoding
from infonoise_bio.models.options import ENCODING_NAMES, NetworkConfig
from infonoise_bio.sampling.sequences import (
    Condition,
    Sampling,
    design,
    design_each,
    infill,
    write_designs,
)
from infonoise_core.errors import InputError
from infonoise_core.sampling.grids import karras_grid

LENGTH = 20
FREQUENCIES = (0.4, 0.1, 0.2, 0.3)
CONDITIONS = Conditions(("x", "y"), ("act",), (0.0,), (1.0,))


def untrained(name: str = "one-hot", scale: float = 1.0) -> BaseDenoiser:
    """The exact denoiser of independent bases of these frequencies."""
    network = NetworkConfig(width=16, depth=1)
    config = ModelConfig(LENGTH, network, CONDITIONS, FREQUENCIES)
    return make_denoiser(config, make_encoding(name, scale), seed=0)


def biased() -> BaseDenoiser:
    """Label x asks for A, label y for T; without a label neither."""
    denoiser = untrained()
    with torch.no_grad():
        label = denoiser.get_parameter("label.weight")
        label.zero_()
        label[0, 0], label[1, 1] = 8.0, 8.0
        for name in ("noise.second.weight", "noise.second.bias"):
            denoiser.get_parameter(name).zero_()
        modulation = denoiser.get_parameter("network.blocks.0.modulation.linear.weight")
        # The gate of channel 0 follows x and of channel 1 follows y; the head reads them.
        modulation[32, 0], modulation[33, 1] = 1.0, 1.0
        for name in ("mix.weight", "mix.bias", "spread.weight"):
            denoiser.get_parameter(f"network.blocks.0.{name}").zero_()
        denoiser.get_parameter("network.blocks.0.mix.bias").fill_(1.0)
        head = denoiser.get_parameter("network.head.weight")
        head[0, 0], head[3, 1] = 1.0, 1.0
    return denoiser


def sampling(steps: int = 24, **more) -> Sampling:
    return Sampling(karras_grid(steps, 0.05, 30.0), **more)


def together(chunks: Iterator[Codes]) -> Codes:
    return np.concatenate(list(chunks))


@pytest.mark.parametrize("name", ENCODING_NAMES)
def test_an_exact_denoiser_gives_bases_of_its_frequencies(name):
    codes = together(design(untrained(name), 300, sampling(), None))
    assert codes.shape == (300, LENGTH)
    assert codes.dtype == np.uint8
    found = np.bincount(codes.ravel(), minlength=4) / codes.size
    for share, expected in zip(found, FREQUENCIES, strict=True):
        # Five standard errors of 6000 bases, and 0.01 for 24 steps of the solver.
        assert abs(share - expected) < 5 * math.sqrt(expected * (1 - expected) / 6000) + 0.01


def test_a_seed_gives_the_same_sequences_and_chunks_follow_each_other():
    denoiser, seen = untrained(), []
    chunks = list(
        design(denoiser, 10, sampling(6, chunk=4), progress=lambda done, n: seen.append((done, n)))
    )
    assert [len(c) for c in chunks] == [4, 4, 2]
    assert seen == [(4, 10), (4, 10), (2, 10)]
    again = together(design(denoiser, 10, sampling(6, chunk=4)))
    assert np.array_equal(np.concatenate(chunks), again)
    other = together(design(denoiser, 10, sampling(6, chunk=4, seed=1)))
    assert not np.array_equal(again, other)


def test_labels_steer_and_guidance_steers_more():
    denoiser = biased()

    def share(label: str | None, guidance: float = 1.0) -> np.ndarray:
        codes = together(design(denoiser, 100, sampling(12, guidance=guidance), Condition(label)))
        return np.bincount(codes.ravel(), minlength=4) / codes.size

    free, of_x, of_y, strongly = share(None), share("x"), share("y"), share("x", 3.0)
    # 2000 bases: five standard errors are 0.055.
    assert of_x[0] > free[0] + 0.06
    assert of_y[3] > free[3] + 0.06
    assert strongly[0] > of_x[0] + 0.02


def test_given_bases_stay_whatever_is_designed_around_them():
    rng = np.random.default_rng(0)
    templates = rng.integers(0, 5, (9, LENGTH)).astype(np.uint8)
    for guidance in (1.0, 2.0):
        codes = together(
            infill(biased(), templates, sampling(8, chunk=4, guidance=guidance), Condition("x"))
        )
        assert np.array_equal(codes[templates != MASKED], templates[templates != MASKED])
        assert codes.max() < MASKED


def test_a_fasta_file_comes_out_complete_or_not_at_all(tmp_path):
    out = tmp_path / "designs.fa"
    chunks = list(design(untrained(), 7, sampling(4, chunk=3)))
    assert write_designs(out, chunks, "new", {"label": "x"}) == 7
    with out.open() as handle:
        records = list(SeqIO.parse(handle, "fasta"))
    letters = ["".join("ACGT"[b] for b in row) for row in np.concatenate(chunks)]
    assert [str(r.seq) for r in records] == letters
    assert [r.id for r in records] == [f"new_{i}" for i in range(1, 8)]
    assert records[0].description == "new_1 label=x"

    def broken() -> Iterator[Codes]:
        yield chunks[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_designs(tmp_path / "other.fa", broken(), "new")
    assert [p.name for p in tmp_path.iterdir()] == ["designs.fa"]


def test_what_cannot_be_asked_for_is_refused():
    denoiser, some = untrained(), sampling(4)
    for wrong, word in (
        (lambda: design(denoiser, 2, some, Condition("z")), "'z' was not seen"),
        (lambda: design(denoiser, 2, some, Condition(activity={"b": 1.0})), "'b' was not seen"),
        (lambda: design(denoiser, 0, some), "--samples 0"),
        (lambda: design(denoiser, 2, sampling(4, guidance=2.0)), "without a condition"),
        (lambda: infill(denoiser, np.zeros((2, 9), np.uint8), some), "9 bases"),
    ):
        with pytest.raises(InputError, match=word):
            list(wrong())


def test_each_sequence_may_have_a_condition_of_its_own():
    label = torch.tensor([0, 1]).repeat_interleave(100)
    codes = together(design_each(biased(), 200, sampling(12), {"label": label}))
    of_x, of_y = ((part == 0).mean() for part in (codes[:100], codes[100:]))
    # 2000 bases each: five standard errors of the difference are 0.08 at most.
    assert of_x > of_y + 0.08


def test_numbers_can_be_asked_for_by_name():
    condition = Condition("y", {"act": 2.5}).rows(untrained())
    assert condition["label"].tolist() == [1]
    assert condition["activity"].tolist() == [[2.5]]
    assert Condition().rows(untrained()) == {}
