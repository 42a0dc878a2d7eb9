"""Pairs of tokens: merges against a plain implementation, round trips, streams, full codes."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_text.tokenizers import pairs
from infonoise_text.tokenizers.load import load_tokenizer
from infonoise_text.tokenizers.pairs import PairCoder, PairTokenizer


def plain_merge(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    out, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


def plain_learn(ids, size, merges, barrier):
    """Byte-pair merging as it is told in one paragraph: count, take the first, replace, again."""
    learnt = []
    for i in range(merges):
        counts = Counter(p for p in pairwise(ids) if barrier not in p)
        if not counts:
            return None
        pair = min(counts, key=lambda p: (-counts[p], p))
        learnt.append(pair)
        ids = plain_merge(ids, pair, size + i)
    return learnt, ids


IDS = st.lists(st.integers(0, 4), max_size=80)
BARRIER = st.sampled_from([None, 0])


@given(IDS, st.integers(5, 8), BARRIER)
def test_merges_are_those_of_the_plain_way(ids, size, barrier):
    expected = plain_learn(ids, size, 16 - size, barrier)
    if expected is None:
        with pytest.raises(InputError, match="does not fill"):
            PairCoder.learn(np.array(ids, np.uint16), size, 4, barrier)
        return
    coder = PairCoder.learn(np.array(ids, np.uint16), size, 4, barrier)
    assert [tuple(pair) for pair in coder.merges.tolist()] == expected[0]
    assert coder.encode(np.array(ids, np.uint16)).tolist() == expected[1]


@given(IDS, IDS, BARRIER)
def test_other_ids_come_back_and_follow_the_order_of_learning(learnt_from, ids, barrier):
    learnt_from = [*range(5), *range(5), 1, 2, 1, 2, 3, *learnt_from]
    coder = PairCoder.learn(np.array(learnt_from), 5, 3, barrier)
    codes = coder.encode(ids)
    assert coder.decode(codes).tolist() == ids
    expected = ids
    for i, pair in enumerate(coder.merges.tolist()):
        expected = plain_merge(expected, tuple(pair), 5 + i)
    assert codes.tolist() == expected


def corpus(n: int, seed: int = 0) -> np.ndarray:
    """Ids with structure: words of a random lexicon, and 0 for the end of a document."""
    rng = np.random.default_rng(seed)
    lexicon = [rng.integers(1, 40, rng.integers(1, 5)) for _ in range(60)]
    lexicon.append(np.array([0]))
    words = rng.integers(0, len(lexicon), n)
    return np.concatenate([lexicon[w] for w in words]).astype(np.uint16)


def test_every_code_has_a_meaning():
    ids = corpus(5000)
    coder = PairCoder.learn(ids, 40, 8, barrier=0)
    assert (coder.size, coder.bits) == (256, 8)
    pieces = [tuple(coder.decode([code]).tolist()) for code in range(256)]
    assert len(set(pieces)) == 256
    assert all(0 not in piece for piece in pieces[1:])
    codes = coder.encode(ids)
    assert len(codes) < len(ids) / 1.5
    np.testing.assert_array_equal(coder.decode(codes), ids)


@pytest.mark.parametrize("chunk", [1, 50, 700])
@pytest.mark.parametrize("barrier", [None, 0])
def test_a_stream_is_the_whole(chunk, barrier, monkeypatch):
    monkeypatch.setattr(pairs, "_CHUNK", 200)
    ids = corpus(600, seed=1)
    coder = PairCoder.learn(ids, 40, 7, barrier)
    parts = list(coder.encode_stream(ids[i : i + chunk] for i in range(0, len(ids), chunk)))
    np.testing.assert_array_equal(np.concatenate(parts), coder.encode(ids))
    assert (len(parts) > 1) == (barrier is not None)
    assert not sum(map(len, coder.encode_stream([])))


def test_symbols_stay_short():
    # One token again and again: each merge would double the length for ever.
    with pytest.raises(InputError, match="do without pairs"):
        PairCoder.learn(np.zeros(100_000, np.uint16), 20, 5)
    coder = PairCoder.learn(np.zeros(100_000, np.uint16), 2, 3)
    assert max(len(coder.decode([code])) for code in range(8)) == 64


def test_fewer_codes_than_tokens():
    with pytest.raises(InputError, match="give 6 bits or more"):
        PairCoder.learn(corpus(100), 40, 5)


def test_too_few_pairs_names_what_works():
    ids = np.array([0, 1, 2, 3])
    with pytest.raises(InputError, match="give 2 bits") as caught:
        PairCoder.learn(ids, 4, 4)
    assert "3 codes beside its 4 tokens" in str(caught.value)
    assert PairCoder.learn(ids, 4, 2).size == 4


def test_values_out_of_range():
    coder = PairCoder.learn(corpus(1000), 40, 6)
    with pytest.raises(ValueError, match=r"0\.\.39"):
        coder.encode([40])
    with pytest.raises(ValueError, match=r"0\.\.63"):
        coder.decode([64])


@pytest.mark.parametrize("barrier", [None, 0])
def test_saved_and_loaded(tmp_path, barrier):
    coder = PairCoder.learn(corpus(1000), 40, 6, barrier)
    coder.save(tmp_path / "pairs")
    again = PairCoder.load(tmp_path / "pairs")
    np.testing.assert_array_equal(again.merges, coder.merges)
    assert (again.tokens, again.barrier) == (40, barrier)
    (tmp_path / "pairs").write_bytes(b"x")
    with pytest.raises(InputError, match="not a file of pairs"):
        PairCoder.load(tmp_path / "pairs")


def test_a_tokenizer_with_pairs(tokenizer, topics, tmp_path):
    ids = [i for text in topics for i in [*tokenizer.encode(text), tokenizer.end]]
    coder = PairCoder.learn(np.array(ids), tokenizer.size, 10, tokenizer.end)
    filled = PairTokenizer(tokenizer, coder)
    assert filled.size == 1024
    text = topics[1] + "\0▁ é"
    codes = filled.encode(text)
    assert len(codes) < len(tokenizer.encode(text))
    assert filled.decode(codes) == text
    filled.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.digest == filled.digest != tokenizer.digest
    assert again.encode(text) == codes
    with pytest.raises(InputError, match="learnt over 40"):
        PairTokenizer(tokenizer, PairCoder.learn(corpus(1000), 40, 6))
