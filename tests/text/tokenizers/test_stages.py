"""Codes over the ids of another tokenizer: every text comes back, and reading stops at an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_text.tokenizers.load import load_tokenizer

tokenizers = pytest.importorskip("tokenizers")

TEXT = "the cat sat on the mat and the dog sat on the cat because the mat was warm"
WORDS = TEXT.split()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A byte-level base of 256 bytes and some merges, and codes trained on its ids."""
    folder = tmp_path_factory.mktemp("stages")
    base = tokenizers.Tokenizer(tokenizers.models.BPE())
    base.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    base.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    learn = tokenizers.trainers.BpeTrainer(
        vocab_size=270, initial_alphabet=alphabet, show_progress=False
    )
    base.train_from_iterator([" ".join(WORDS)], learn)
    codes = tokenizers.Tokenizer(tokenizers.models.BPE())
    text = "".join(chr(0xF0000 + i) for i in base.encode(" ".join(WORDS)).ids)
    learn = tokenizers.trainers.BpeTrainer(
        vocab_size=320, special_tokens=["[PAD]", "[EOSEQ]"], show_progress=False,
        initial_alphabet=[chr(0xF0000 + i) for i in range(base.get_vocab_size())],
    )  # fmt: skip
    codes.train_from_iterator([text], learn)
    base.save(str(folder / "first.json"))
    codes.save(str(folder / "codes.json"))
    return folder


@pytest.fixture(scope="module")
def both(files):
    return load_tokenizer(f"{files / 'first.json'}+{files / 'codes.json'}")


@given(st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_every_text_comes_back(both, text):
    codes = both.encode(text)
    assert both.decode(codes) == text
    assert all(0 <= code < both.size for code in codes)


def test_codes_are_shorter_than_ids_and_stop_at_an_end(both):
    text = " ".join(WORDS)
    codes, more = both.encode(text), both.encode("the dog")
    assert len(codes) < len(both.base.encode(text))
    assert both.end == 1
    for stop in (0, 1):
        assert both.decode([*codes, stop, *more]) == text
    assert both.decode([stop, *more]) == ""


def test_what_is_saved_is_the_same_tokenizer(both, tmp_path):
    both.save(tmp_path)
    again = load_tokenizer(tmp_path, both.name)
    assert (again.digest, again.size, again.name) == (both.digest, both.size, both.name)
    assert again.encode("the cat sat") == both.encode("the cat sat")


def test_what_is_refused(files, tmp_path):
    with pytest.raises(InputError, match="no tokenizer here"):
        load_tokenizer(f"{files / 'none.json'}+{files / 'codes.json'}")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(InputError, match=r"not a tokenizer\.json"):
        load_tokenizer(f"{files / 'first.json'}+{tmp_path / 'bad.json'}")
