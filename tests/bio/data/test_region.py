"""Splits by stretches: contiguous, apart from each other, and where the similar ones cannot."""

from pathlib import Path

import numpy as np
import pytest

from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.options import Splitting, Windowing
from infonoise_bio.data.region import place_of, split_by_region
from infonoise_bio.data.sequences import load_sequences
from infonoise_core import InputError


def tiles(n: int, step: int, length: int, name: str = "c") -> list[tuple[str, int, int]]:
    return [(name, i * step + 1, i * step + length) for i in range(n)]


@pytest.mark.parametrize("seed", range(5))
def test_parts_of_a_tiled_genome_share_no_base_and_keep_a_gap(seed):
    places = [*tiles(150, 50, 100, "a"), *tiles(50, 50, 100, "b")]
    mixed = [places[i] for i in np.random.default_rng(0).permutation(len(places))]
    parts, keep, note = split_by_region(mixed, 100, Splitting(split="region", split_seed=seed))
    assert np.bincount(parts).tolist() == [160, 20, 20]
    assert "stretches of the genome" in note
    for i in np.flatnonzero(keep):
        for j in np.flatnonzero(keep):
            (one, first, last), (other, low, high) = mixed[i], mixed[j]
            if parts[i] != parts[j] and one == other:
                assert first > high + 100 or last < low - 100
    # Not more than a gap's worth at each of three borders: a tile and two gaps each side.
    assert (~keep).sum() <= 3 * 2 * 4
    # Each held-out part is one stretch of the order by place, whose end and start may meet.
    order = sorted(range(200), key=lambda i: mixed[i])
    for part in (1, 2):
        inside = np.array([parts[i] == part for i in order])
        assert (inside != np.roll(inside, 1)).sum() == 2


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("n", [40, 41])
def test_windows_across_the_origin_share_no_base_with_another_part(seed, n):
    places = [("c", at, (at + 100 - 1) % (50 * n) + 1) for at in range(0, 50 * n, 50)]
    assert places[-1][1] > places[-1][2]
    parts, keep, _ = split_by_region(places, 10, Splitting(split="region", split_seed=seed))
    bases = [{at % (50 * n) for at in range(50 * i, 50 * i + 100)} for i in range(n)]
    for i in np.flatnonzero(keep):
        for j in np.flatnonzero(keep):
            assert parts[i] == parts[j] or not bases[i] & bases[j]
    # What lies elsewhere is kept: a window or two at each border.
    assert (~keep).sum() <= 3 * 2 * 2


def test_without_places_the_order_of_the_file_counts():
    parts, keep, note = split_by_region([None] * 200, 50, Splitting(split="region"))
    assert parts.tolist() == [0] * 160 + [1] * 20 + [2] * 20
    # One in a hundred at each border, from the part that is held out less.
    assert np.flatnonzero(~keep).tolist() == [0, 1, 158, 159, 178, 179]
    assert "stretches of the file" in note
    assert (split_by_region([None] * 200, 50, Splitting(split_seed=1))[0] != parts).any()


def test_where_a_window_lies_is_read_from_its_id():
    for name, place in (
        ("chr1:101-200(+)", ("chr1", 101, 200)),
        ("NC_1.1:50-60(-),20-30(-)", ("NC_1.1", 20, 60)),
        ("chr1:-4-4(+)", ("chr1", -4, 4)),
        ("chr1:7-9", ("chr1", 7, 9)),
        ("chrM:990-10(+)", ("chrM", 990, 10)),
        ("chrM:990-10(+),20-40(+)", ("chrM", 990, 40)),
        ("design_1", None),
        ("a:b", None),
    ):
        assert place_of(Record(name, b"ACGT", {}, name)) == place


def test_too_few_for_three_parts_are_refused():
    with pytest.raises(InputError, match="too few to hold some out: 3 sequences"):
        split_by_region(tiles(3, 50, 100), 100, Splitting(split="region"))


def genome(folder: Path) -> Path:
    path = folder / "g.fa"
    text = "".join(np.random.default_rng(0).choice(list("ACGT"), 12_000))
    path.write_text(f">g\n{text}\n")
    return path


def test_a_tiled_genome_is_one_cluster_which_region_divides(tmp_path):
    """Tiles that overlap hang together: by similarity nothing can be held out, and it is said how
    large the cluster is and what helps.
    """
    path, windowing = genome(tmp_path), Windowing(window=100, stride=50)
    with pytest.raises(InputError, match=r"largest of 239 \(100%\); give --split region"):
        load_sequences(path, windowing=windowing, splitting=Splitting(split="similarity"))
    data = load_sequences(path, windowing=windowing, splitting=Splitting(split="region"))
    train, held_out = data.part("train"), data.part("test")
    assert len(held_out) == 24
    assert len(data) < 239
    # No base of the test part is in a training window.
    seen = "".join(map(str, train.ids))
    assert all(str(name) not in seen for name in held_out.ids)
    ends = [int(str(i).split(":")[1].split("(")[0].split("-")[1]) for i in train.ids]
    starts = [int(str(i).split(":")[1].split("-")[0]) for i in held_out.ids]
    assert max(ends) + 100 < min(starts)
    assert "warning" not in data.notes[-1]


def test_what_is_not_in_the_giant_cluster_is_shared_out_in_proportion(tmp_path):
    """Ninety sequences hang together and ten stand alone: these are validation and test."""
    rng = np.random.default_rng(1)
    long = "".join(rng.choice(list("ACGT"), 90 * 25 + 50))
    texts = [long[25 * i : 25 * i + 50] for i in range(90)]
    texts += ["".join(rng.choice(list("ACGT"), 50)) for _ in range(10)]
    path = tmp_path / "x.fa"
    path.write_text("".join(f">r{i}\n{t}\n" for i, t in enumerate(texts)))
    data = load_sequences(path, splitting=Splitting(val=0.1, test=0.2))
    assert [len(data.part(name)) for name in ("train", "val", "test")] == [90, 3, 7]
    assert "90 in one, for training; --split region divides them" in data.notes[-1]


def test_overlapping_windows_of_a_genome_are_divided_without_being_asked(tmp_path):
    """Similarity makes one cluster of them; a file that says nothing of places is refused still."""
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 5000))
    path = tmp_path / "genome.fa"
    path.write_text(f">c\n{letters}\n")
    data = load_sequences(path, windowing=Windowing(window=100, stride=50))
    assert "split by region: stretches of the genome" in data.notes[-1]
    assert min(len(data.part(name)) for name in ("train", "val", "test")) > 2
    asked = load_sequences(
        path, windowing=Windowing(window=100, stride=50), splitting=Splitting(split="region")
    )
    assert np.array_equal(data.split, asked.split)
    tiled = [letters[i : i + 100] for i in range(0, 4900, 50)]
    path.write_text("".join(f">t{i}\n{text}\n" for i, text in enumerate(tiled)))
    with pytest.raises(InputError, match="--split region"):
        load_sequences(path)


def test_a_place_behind_a_name_is_that_place():
    record = Record("peak_1::chr1:10-20(-)", b"A" * 10, {}, "x")
    assert place_of(record) == ("chr1", 10, 20)
