"""Scores: exact for independent bases, the same as the bound, whatever the order, from a stream."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from infonoise_bio.alphabet import MASKED, codes_of
from infonoise_bio.data.formats.record import Record
from infonoise_bio.evaluation.bound import LikelihoodBound
from infonoise_bio.evaluation.scores.score import Scorer, write_scores
from infonoise_bio.models.config import Conditions, ModelConfig
from infonoise_bio.models.denoiser import BaseDenoiser, make_denoiser
from infonoise_bio.models.encoding import make_encoding
from infonoise_bio.models.lengths import LengthLaw
from infonoise_bio.models.options import NetworkConfig
from infonoise_core.errors import InputError
from infonoise_core.training.task import Batch

LENGTH = 18
FREQUENCIES = (0.4, 0.1, 0.2, 0.3)
PRIOR = torch.tensor(FREQUENCIES, dtype=torch.float64)


def denoiser(moved: float = 0.0, name: str = "one-hot") -> BaseDenoiser:
    network = NetworkConfig(width=16, depth=1)
    config = ModelConfig(LENGTH, network, Conditions(("x", "y")), FREQUENCIES)
    found = make_denoiser(config, make_encoding(name), seed=0)
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in found.parameters():
            p.add_(moved * torch.randn(p.shape, generator=g))
    return found


def records(n: int, seed: int = 0) -> list[Record]:
    rng = np.random.default_rng(seed)
    letters = ["".join(rng.choice(list("ACGTN"), LENGTH)) for _ in range(n)]
    return [Record(f"r{i}", t.encode(), {}, f"record r{i}") for i, t in enumerate(letters)]


@pytest.mark.parametrize("name", ["one-hot", "bits"])
def test_independent_bases_cost_exactly_their_frequencies(name):
    scorer = Scorer(denoiser(name=name), PRIOR, 0.002, 80.0, levels=8)
    for record, score in zip(records(5), scorer.score(records(5)), strict=True):
        codes = np.frombuffer(codes_of(record.letters), np.uint8)
        known = codes[codes != MASKED]
        assert (score.id, score.bases) == (record.id, len(known))
        assert score.nats == pytest.approx(-np.log(PRIOR.numpy()[known]).sum(), abs=1e-4)
        assert score.bits_per_base == pytest.approx(score.nats / len(known) / math.log(2))
        assert score.stderr < 1e-4


def test_scores_agree_with_the_bound_on_average():
    model, some = denoiser(0.1), records(200)
    scores = list(Scorer(model, PRIOR, 0.002, 80.0, levels=64).score(some))
    codes = torch.from_numpy(np.stack([np.frombuffer(codes_of(r.letters), np.uint8) for r in some]))
    batch = Batch(model.encoding.encode(codes), {"mask": codes != MASKED})
    bound = LikelihoodBound(batch, model.encoding, PRIOR, 0.002, 80.0, levels=32)
    expected = bound(model)
    nats, bases = (torch.tensor([getattr(s, k) for s in scores]) for k in ("nats", "bases"))
    found = float(nats.sum() / bases.sum()) / math.log(2)
    assert expected.value > float(bound.independent.sum() / bound.bases.sum()) / math.log(2) + 0.01
    # All scores share one set of 64 noises, so their errors do not average out.
    error = math.hypot(expected.stderr, max(s.stderr for s in scores))
    assert abs(found - expected.value) < 4 * error


def test_a_score_does_not_depend_on_what_stands_around_it():
    scorer, some = Scorer(denoiser(0.1), PRIOR, 0.002, 80.0, levels=8), records(7)
    together = list(scorer.score(some, chunk=4))
    alone = [next(scorer.score([record])) for record in reversed(some)]
    for one, other in zip(together, reversed(alone), strict=True):
        assert one.id == other.id
        # float32 errors of a few units, 8 levels: roundings in another order.
        assert one.nats == pytest.approx(other.nats, abs=1e-3)


def test_labels_change_scores():
    scorer, some = Scorer(denoiser(0.3), PRIOR, 0.002, 80.0, levels=8), records(2)
    free, of_x = (next(scorer.score(some, label=label)) for label in (None, 0))
    assert abs(free.nats - of_x.nats) > 1e-3


def test_records_are_taken_a_chunk_at_a_time():
    taken = 0

    def stream() -> Iterator[Record]:
        nonlocal taken
        for record in records(100):
            taken += 1
            yield record

    scores = Scorer(denoiser(), PRIOR, 0.002, 80.0, levels=4).score(stream(), chunk=5)
    next(scores)
    assert taken == 5


def test_a_table_comes_out_complete_or_not_at_all(tmp_path):
    scorer, out = Scorer(denoiser(0.1), PRIOR, 0.002, 80.0, levels=4), tmp_path / "scores.tsv"
    assert write_scores(out, scorer.score(records(3))) == 3
    header, *lines = out.read_text().splitlines()
    assert header.split("\t") == ["id", "bases", "nats", "bits_per_base", "stderr"]
    for line, score in zip(lines, scorer.score(records(3)), strict=True):
        assert line.split("\t")[0] == score.id
        assert float(line.split("\t")[3]) == pytest.approx(score.bits_per_base, abs=1e-5)
    short = [*records(2), Record("s", b"ACGT", {}, "record s")]
    with pytest.raises(InputError, match="record s has 4 bases"):
        write_scores(tmp_path / "other.tsv", scorer.score(short, chunk=1))
    assert [p.name for p in tmp_path.iterdir()] == ["scores.tsv"]
    with pytest.raises(InputError, match="multiple of 4"):
        Scorer(denoiser(), PRIOR, 0.002, 80.0, levels=6)


def test_a_score_is_that_of_the_sequence_whatever_it_is_padded_to():
    rng = np.random.default_rng(3)
    some = [
        Record(f"r{n}", "".join(rng.choice(list("ACGT"), n)).encode(), {}, f"record r{n}")
        for n in (3, LENGTH, 11, 1)
    ]
    model = denoiser(0.1)
    model.config = replace(model.config, lengths=LengthLaw((1, LENGTH), ((1, 1),)))
    scorer = Scorer(model, PRIOR, 0.002, 80.0, levels=8)
    together = list(scorer.score(some))
    for record, score in zip(some, together, strict=True):
        (alone,) = scorer.score([record])
        assert score.bases == alone.bases == len(record)
        # Convolutions of another width add up in another order, in float32.
        assert score.nats == pytest.approx(alone.nats, abs=1e-4)
    codes, lengths = scorer.codes(some)
    wide = torch.nn.functional.pad(codes[:1, :3], (0, LENGTH - 3), value=MASKED)
    unaware = scorer.parts(wide).mean()
    assert abs(float(unaware) - together[0].nats) > 1e-3  # lengths are what makes it so
    assert lengths.tolist() == [3, LENGTH, 11, 1]
    long = Record("long", b"A" * (LENGTH + 1), {}, "record long")
    with pytest.raises(InputError, match=f"takes at most {LENGTH}"):
        scorer.check(long)
