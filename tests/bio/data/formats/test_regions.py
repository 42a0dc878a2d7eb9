"""Windows around regions: against plain string operations, on both strands and around circles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infonoise_bio.alphabet import reverse_complement
from infonoise_bio.data.formats.regions import Part, Placement, Region, cut, window_name
from infonoise_core import InputError

LENGTH = 40
around = st.sampled_from(["feature", "start", "center", "end"])
letters = st.text("ACGTN", min_size=LENGTH, max_size=LENGTH).map(str.encode)


@st.composite
def regions(draw):
    strand = draw(st.sampled_from([1, -1]))
    bounds = sorted(draw(st.sets(st.integers(0, LENGTH), min_size=2, max_size=6)))
    parts = [Part(a, b, strand) for a, b in zip(bounds[::2], bounds[1::2], strict=False)]
    return Region(tuple(parts[::strand]), "drawn")


def placed(place, up, down, edge="mask"):
    return Placement(place, up, down if place == "feature" or up else max(1, down), edge)


def window(text, region, placement, circular=False):
    return cut(text, circular, placement.window(region), placement.edge)


@given(letters, regions(), around, st.integers(0, 9), st.integers(0, 9))
def test_the_other_strand_gives_the_same_window(text, region, place, up, down):
    turned = Region(
        tuple(Part(LENGTH - p.end, LENGTH - p.start, -p.strand) for p in region.parts), "turned"
    )
    placement = placed(place, up, down)
    assert window(text, region, placement) == window(reverse_complement(text), turned, placement)


@given(letters, regions(), around, st.integers(0, 9), st.integers(0, 9), st.integers(0, LENGTH))
def test_a_circle_has_no_beginning(text, region, place, up, down, turn):
    turned = Region(
        tuple(Part(p.start + turn, p.end + turn, p.strand) for p in region.parts), "turned"
    )
    rotated = text[-turn:] + text[:-turn] if turn else text
    placement = placed(place, up, down)
    one = window(text, region, placement, circular=True)
    assert one == window(rotated, turned, placement, circular=True)


@given(letters, regions(), around, st.integers(0, 9), st.integers(0, 9))
def test_windows_within_a_record_are_slices_of_the_joined_strand(text, region, place, up, down):
    placement = placed(place, up, down)
    pieces = [text[p.start : p.end] for p in region.parts]
    joined = b"".join(p if region.parts[0].strand > 0 else reverse_complement(p) for p in pieces)
    found = window(text, region, placement)
    if place == "feature":
        assert found[up : len(found) - down] == joined
    else:
        assert len(found) == placement.upstream + placement.downstream
    if place == "start":
        shared = min(placement.downstream, len(region.parts[0]))
        assert found[up : up + shared] == joined[:shared]
    if place == "end":
        shared = min(up, len(region.parts[-1]))
        assert found[up - shared : up] == joined[len(joined) - shared :]


def test_beyond_the_ends_of_a_line():
    text, region = b"ACGTACGTAC", Region((Part(1, 3),), "here")
    wide = {"upstream": 3, "downstream": 9}
    assert window(text, region, Placement(edge="mask", **wide)) == b"--ACGTACGTAC--"
    for edge in ("drop", "error"):
        assert window(text, region, Placement(edge=edge, **wide)) is None
    # A window longer than the circle would meet itself.
    assert window(text, region, Placement(**wide), circular=True) is None
    assert window(text, region, Placement(upstream=3), circular=True) == b"ACACG"


def test_names_count_from_zero_and_wrap():
    assert window_name("c", (Part(0, 5), Part(7, 9, -1)), 0) == "c:0-5(+),7-9(-)"
    assert window_name("c", (Part(-3, 2),), 10) == "c:7-2(+)"
    assert window_name("c", (Part(8, 10),), 10) == "c:8-10(+)"


@pytest.mark.parametrize(
    "bad", [{"upstream": -1}, {"downstream": -2}, {"around": "start"}, {"around": "center"}]
)
def test_sizes_that_make_no_sense(bad):
    with pytest.raises(InputError, match="--upstream"):
        Placement(**bad)
