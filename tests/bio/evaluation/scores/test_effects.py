"""Changes of letters: as the exact probabilities have them, with an error of their own."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_bio.alphabet import letters_of
from infonoise_bio.data.formats.record import Record
from infonoise_bio.evaluation.scores.effects import effects, of_neighbours, write_effects
from infonoise_bio.evaluation.scores.score import Scorer
from infonoise_bio.evaluation.scores.track import base_bits, draw_logos, write_track
from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.encoding import Encoding, make_encoding
from infonoise_bio.models.options import NetworkConfig
from infonoise_bio.synthetic import Planted, PlantedDna
from infonoise_core import InputError

SOURCE = PlantedDna(16, (Planted("TATAAT", 4, jitter=2, prob=0.9),))
LENGTH = SOURCE.length


class Exact(nn.Module):
    """The exact denoiser of made-up sequences."""

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.encoding = encoding
        network = NetworkConfig(width=8, depth=1)
        self.config = ModelConfig(LENGTH, network, frequencies=SOURCE.background)
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, sigma: Tensor, **condition: Tensor) -> Tensor:
        return self.encoding.mean(SOURCE.posterior(self.encoding, x, sigma)).to(x.dtype)


def scorer(levels: int = 64) -> Scorer:
    denoiser = Exact(make_encoding("one-hot"))
    prior = torch.tensor(denoiser.config.frequencies, dtype=torch.float64)
    return Scorer(denoiser, prior, 0.002, 80.0, levels)  # type: ignore[arg-type]


def records(codes: np.ndarray) -> list[Record]:
    return [
        Record(f"r{i}", t.encode(), {}, f"record r{i}") for i, t in enumerate(letters_of(codes))
    ]


def changed() -> tuple[np.ndarray, np.ndarray]:
    """Sequences with the motif, and the same with one base of it, or of none, changed."""
    rng = np.random.default_rng(0)
    codes = SOURCE.sample(24, rng)
    codes[:, 4:10] = [3, 0, 3, 0, 0, 3]
    others = codes.copy()
    for i, row in enumerate(others):
        at = 5 if i % 2 else 14
        row[at] = (row[at] + 1 + i % 3) % 4
    return codes, others


def test_an_effect_is_the_difference_of_exact_probabilities():
    codes, others = changed()
    both = np.stack([codes, others], 1).reshape(-1, LENGTH)
    found = list(effects(scorer(64), of_neighbours(records(both)), chunk=10))
    exact = SOURCE.log_prob(torch.from_numpy(others)) - SOURCE.log_prob(torch.from_numpy(codes))
    assert len(found) == len(codes)
    error = np.array([e.effect for e in found]) - exact.numpy()
    spread = np.array([e.stderr for e in found])
    assert np.abs(error[::2]).max() < 0.02  # a base outside of the motif is exact
    # All pairs had the same noises, so that their errors are one draw, of known size.
    assert np.abs(error[1::2]).mean() < 3 * spread[1::2].mean()
    assert 0 < spread[1::2].mean() < 1
    assert all(e.effect == pytest.approx(e.reference - e.alternative, abs=1e-6) for e in found)
    assert exact[1::2].max() < -2  # a broken motif is less probable
    assert np.array([e.effect for e in found])[1::2].max() < -1


def test_a_copy_has_no_effect_at_all():
    codes, _ = changed()
    both = np.repeat(codes[:3], 2, axis=0)
    found = list(effects(scorer(8), of_neighbours(records(both))))
    assert [(e.effect, e.stderr) for e in found] == [(0.0, 0.0)] * 3


def test_an_odd_one_is_named():
    with pytest.raises(InputError, match="record r2: has no partner"):
        list(of_neighbours(records(changed()[0][:3])))


def test_pairs_of_unequal_numbers_of_known_bases_are_refused():
    one, other = Record("a", b"ACGTN", {}, "a"), Record("b", b"ANGTN", {}, "b")
    with pytest.raises(InputError, match="b: has 2 bases that are not known and its reference 'a'"):
        list(of_neighbours([one, other]))
    assert len(list(of_neighbours([one, one]))) == 1


def test_rows_come_in_the_order_of_the_file(tmp_path):
    codes, _ = changed()
    found = list(effects(scorer(8), of_neighbours(records(codes[:6]))))
    assert write_effects(tmp_path / "x.tsv", found[::-1], variants=False) == 3
    lines = (tmp_path / "x.tsv").read_text().splitlines()
    assert lines[0].startswith("reference\talternative\tnats_ref\tnats_alt\teffect\tstderr")
    assert [line.split("\t")[0] for line in lines[1:]] == ["r0", "r2", "r4"]


def test_bits_of_bases_add_up_to_the_bound():
    codes, _ = changed()
    some, judge = records(codes[:4]), scorer(16)
    scores = list(judge.score(some))
    for score, (record, bits) in zip(scores, base_bits(judge, some), strict=True):
        assert record.id == score.id
        assert bits.sum() * math.log(2) == pytest.approx(score.nats, rel=1e-9)


def placed(name: str, values: list[float]) -> tuple[Record, np.ndarray]:
    return Record(name, b"A" * len(values), {}, f"record {name}"), np.array(values)


def test_a_track_lies_where_the_windows_lie(tmp_path):
    found = [
        placed("chr1:10-13(+)", [1, 2, 3]),
        placed("chr1:12-15(-)", [4, 5, 7]),  # read backwards; one base of both
        placed("chr1:20-22(+)", [8, 9]),
        placed("mine", [1, 1]),
    ]
    assert write_track(tmp_path / "x.bedGraph", found) == 9
    lines = [line.split("\t") for line in (tmp_path / "x.bedGraph").read_text().splitlines()[1:]]
    assert [(a, int(b), float(d)) for a, b, _, d in lines] == [
        ("chr1", 10, 1), ("chr1", 11, 2), ("chr1", 12, 5), ("chr1", 13, 5), ("chr1", 14, 4),
        ("chr1", 20, 8), ("chr1", 21, 9), ("mine", 0, 1), ("mine", 1, 1),
    ]  # fmt: skip
    assert all(int(c) == int(b) + 1 for _, b, c, _ in lines)


def test_a_track_out_of_order_is_an_error_and_leaves_nothing(tmp_path):
    found = [placed("chr1:10-13(+)", [1, 2, 3]), placed("chr1:5-8(+)", [1, 2, 3])]
    with pytest.raises(InputError, match="lies before an earlier one"):
        write_track(tmp_path / "x.bedGraph", found)
    assert not list(tmp_path.iterdir())


def test_a_logo_is_drawn(tmp_path):
    found = [placed("a", [0.1, 3.0, 2.0]), placed("b", [2.0, 2.0, 2.0])]
    draw_logos(tmp_path / "x.svg", found, np.full(4, 2.0), overwrite=False)
    assert (tmp_path / "x.svg").read_text().count("<path") > 4
