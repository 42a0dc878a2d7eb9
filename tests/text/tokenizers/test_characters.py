"""One token for each character."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_core.files import write_json
from infonoise_text.tokenizers.characters import CHARACTERS_FILE, Characters
from infonoise_text.tokenizers.load import load_tokenizer


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_every_text_comes_back(text: str) -> None:
    tokenizer = Characters.of([text])
    ids = tokenizer.encode(text)
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text
    assert all(0 <= i < tokenizer.size for i in ids)
    assert tokenizer.size == len(set(text)) + 2


def test_what_is_not_known_is_unknown_and_the_end_shows_nothing() -> None:
    tokenizer = Characters.of(["ba", "c"])
    assert tokenizer.encode("abcx") == [2, 3, 4, tokenizer.unknown]
    assert tokenizer.decode([2, tokenizer.unknown, 4, tokenizer.end or 0]) == "a\ufffdc"


def test_the_order_of_texts_does_not_matter() -> None:
    one, other = Characters.of(["hello", "world"]), Characters.of(["worldhello"])
    assert (one.digest, one.name) == (other.digest, "7 characters")
    assert Characters.of(["hello"]).digest != one.digest


def test_a_folder_gives_them_back(tmp_path: Path) -> None:
    tokenizer = Characters.of(["naïve\n"])
    tokenizer.save(tmp_path)
    for source in (tmp_path, tmp_path / CHARACTERS_FILE):
        assert load_tokenizer(source).digest == tokenizer.digest


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({}, "holds no characters"),
        ({"characters": ""}, "holds no characters"),
        ({"characters": ["a"]}, "holds no characters"),
        ({"characters": "aba"}, "twice"),
        ({"characters": "a\ud800"}, "surrogate|damaged"),
    ],
)
def test_what_holds_none_is_refused(tmp_path: Path, content: object, why: str) -> None:
    write_json(tmp_path / CHARACTERS_FILE, content)
    with pytest.raises(InputError, match=why):
        load_tokenizer(tmp_path)


def test_no_text_has_no_characters() -> None:
    with pytest.raises(InputError, match="no text"):
        Characters.of([])
