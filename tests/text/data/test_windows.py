"""Windows that respect documents: none mixes two, all tokens are in one, ends fill up."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import Split, SplitCounts
from infonoise_text.data.windows import PaddedWindows, Windows, held_out, windows_of

END = 9


def split_of(documents: list[int], seed: int = 0, *, packed: bool = False) -> Split:
    """Documents of so many tokens, their ends among them."""
    rng = np.random.default_rng(seed)
    parts = [np.append(rng.integers(0, END, n - 1), END) for n in documents]
    ids = np.concatenate(parts).astype(np.uint16)
    counts = SplitCounts(len(documents), len(ids), 2 * len(ids), "")
    return Split("train", ids, counts, end=END, packed=packed)


def drawn(seed: int, n: int = 30) -> list[int]:
    return np.random.default_rng(seed).integers(1, 40, n).tolist()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("length", [2, 7, 13, 64])
def test_side_by_side_they_hold_every_token_once_and_in_order(seed: int, length: int) -> None:
    split = split_of(drawn(seed), seed)
    source = PaddedWindows(split, length, length)
    found = source.examples(np.arange(len(source)))
    assert found.padding is not None
    assert found.known is None
    assert torch.equal(found.ids[~found.padding], torch.from_numpy(split.ids.astype(np.int32)))
    assert bool((found.ids[found.padding] == END).all())
    assert torch.equal(found.units, (~found.padding).sum(1))


@pytest.mark.parametrize("length", [2, 7, 13])
def test_no_window_holds_two_documents(length: int) -> None:
    """At every place where training begins one: an end is the last token of the text in it."""
    split = split_of(drawn(1))
    source = PaddedWindows(split, length)
    assert source.length == length
    found = source.examples(np.arange(len(source)))
    text = found.ids.masked_fill(found.padding, -1)
    inside = (text == END)[:, :-1] & (text[:, 1:] >= 0)
    assert not bool(inside.any())
    # Every full window of a document is met, and one that is shorter than a window once.
    full = sum(max(n - length + 1, 0) for n in drawn(1))
    assert int((found.units == length).sum()) == full
    assert len(source) == full + sum(n % length > 0 for n in drawn(1))


def test_what_other_documents_say_reaches_no_window() -> None:
    """What fills up is made, not read: the text that follows in the file may be any."""
    documents = [3, 5, 4, 20]
    one, other = split_of(documents, 0), split_of(documents, 1)
    mixed = np.concatenate([one.ids[:8], other.ids[8:]])
    changed = Split("train", mixed, one.counts, end=END, packed=False)
    before, after = (held_out(split, 8, 2).examples for split in (one, changed))
    first = PaddedWindows(one, 8).examples(np.array([0, 1]))
    second = PaddedWindows(changed, 8).examples(np.array([0, 1]))
    assert all(torch.equal(a, b) for a, b in zip(first[::2], second[::2], strict=True))
    assert not torch.equal(before.ids[1], after.ids[1])


def test_tokens_that_are_learned_are_counted_with_what_fills_up() -> None:
    split = split_of(drawn(2))
    source = windows_of(split, 8, 8)
    found = source.examples(np.arange(len(source)))
    expected = torch.bincount(found.ids.flatten().long(), minlength=10).double()
    assert torch.equal(source.counts(10), expected)
    assert source.free == 8


def test_packed_windows_are_those_of_before() -> None:
    split = split_of(drawn(3), packed=True)
    source = windows_of(split, 8)
    assert isinstance(source, Windows)
    found = source.examples(np.array([0, 5]))
    assert torch.equal(found.ids, torch.from_numpy(split.window([0, 5], 8)))
    assert found.conditions == {}
    assert found.units.tolist() == [8, 8]
    assert torch.equal(
        source.counts(10),
        torch.bincount(torch.from_numpy(split.ids.astype(int)), minlength=10).double(),
    )


def test_held_out_windows_lie_side_by_side_and_are_spread() -> None:
    split = split_of(drawn(4))
    every = PaddedWindows(split, 8, 8)
    found, share = held_out(split, 8, 10)
    assert len(found.ids) == 10
    assert share == pytest.approx(0.5)
    there = every.examples(np.arange(len(every))).ids.tolist()
    places = [there.index(row) for row in found.ids.tolist()]
    assert places == sorted(set(places))
    assert (places[0], places[-1]) == (0, len(every) - 1)


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(InputError, match="1 windows: an error bar needs two"):
        held_out(split_of([5]), 8, 4)
    with pytest.raises(InputError, match="windows of documents have 2 tokens or more"):
        PaddedWindows(split_of([5]), 1)
    without = Split("train", np.arange(9, dtype=np.uint16), SplitCounts(1, 9, 9, ""), packed=False)
    with pytest.raises(InputError, match="no token at the end of a document"):
        PaddedWindows(without, 4)
    assert replace(without.counts, tokens=9) == without.counts
