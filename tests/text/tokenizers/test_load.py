"""Tokenizers: every text comes back, sizes are what the corpus supports, files load again."""

import io
import sys

import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_text.tokenizers.huggingface import HuggingFace
from infonoise_text.tokenizers.load import load_tokenizer
from infonoise_text.tokenizers.sentencepiece import (
    SentencePiece,
    VocabularyError,
    train_sentencepiece,
)

# What sentencepiece and its files give a meaning of their own, between characters of all planes.
SPECIAL = [
    "▁",
    "▁▁",
    "▅",
    "⁇",
    "<unk>",
    "</s>",
    "<0x41>",
    "\0",
    "\r\n",
    "\n\n",
    "  ",
    "\t",
    "\u2028",
]
TEXTS = st.lists(
    st.one_of(st.text(st.characters(codec="utf-8")), st.sampled_from(SPECIAL)), max_size=8
).map("".join)


@given(TEXTS)
@example(" a  b \n\n\t c ")
@example("▁ ▁\0▁")
@example("e\u0301é\ufeff\u3000\xa0\ufffd\U0010ffff")
def test_every_text_comes_back(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert all(0 <= i < tokenizer.size for i in ids)
    assert tokenizer.unknown not in ids
    assert tokenizer.end not in ids


@given(TEXTS, TEXTS)
def test_texts_may_be_joined_behind_one_another(tokenizer, one, other):
    # No prefix, nothing normalised: documents of a corpus can be decoded in one go.
    ids = [*tokenizer.encode(one), tokenizer.end, *tokenizer.encode(other)]
    assert tokenizer.decode(ids) == one + other


def test_words_of_the_corpus_are_tokens(tokenizer, topics):
    tokens = sum(len(tokenizer.encode(text)) for text in topics)
    assert sum(map(len, topics)) / tokens > 2


def test_training_is_repeatable(tokenizer, topics):
    assert train_sentencepiece(topics, 512).digest == tokenizer.digest
    assert train_sentencepiece(topics, 511).digest != tokenizer.digest


def test_the_size_that_is_named_works():
    texts = ["the cat sat on the mat\nthe dog sat on the log"]
    with pytest.raises(VocabularyError, match="supports at most") as caught:
        train_sentencepiece(texts, 2000)
    limit = caught.value.limit
    assert f"--vocab-size {limit}" in str(caught.value)
    assert train_sentencepiece(texts, limit).size == limit
    with pytest.raises(VocabularyError):
        train_sentencepiece(texts, limit + 1)


def test_the_least_size_that_is_named_works(topics):
    with pytest.raises(VocabularyError, match="too small for the 256 bytes") as caught:
        train_sentencepiece(topics, 100)
    limit = caught.value.limit
    assert f"--vocab-size {limit}" in str(caught.value)
    assert train_sentencepiece(topics, limit).size == limit


@pytest.mark.parametrize("texts", [[], ["\0\0"], [""]])
def test_nothing_to_train_on(texts):
    with pytest.raises(VocabularyError, match="no text to train a tokenizer on"):
        train_sentencepiece(texts, 300)


def test_long_lines_count_too():
    # sentencepiece alone leaves out lines above a length; one line is all there is here.
    text = "abracadabra simsalabim " * 2000
    tokenizer = train_sentencepiece([text], 300)
    assert len(tokenizer.encode("simsalabim ")) < len("simsalabim ")
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_saved_and_loaded(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    for source in (tmp_path, tmp_path / "tokenizer.model", str(tmp_path)):
        again = load_tokenizer(source)
        assert again.digest == tokenizer.digest
        assert again.encode("a cat ▁") == tokenizer.encode("a cat ▁")


def test_a_model_of_others_is_used_as_it_is(topics):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter("\n".join(topics).split("\n")),
        model_writer=model,
        vocab_size=400,
        minloglevel=3,
    )
    tokenizer = SentencePiece(model.getvalue(), "theirs")
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    assert tokenizer.encode("two ▁ words") == theirs.encode("two ▁ words")
    assert tokenizer.decode(tokenizer.encode("two words")) == "two words"
    assert tokenizer.end == theirs.eos_id()


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_no_model(tmp_path, content):
    path = tmp_path / "x.model"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a sentencepiece model"):
        load_tokenizer(path)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="no tokenizer here"):
        load_tokenizer(tmp_path / "x.model")
    with pytest.raises(InputError, match="no tokenizer here"):
        load_tokenizer(tmp_path)


# Hugging Face


@pytest.fixture(scope="module")
def definition(topics) -> str:
    library = pytest.importorskip("tokenizers")
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    tokenizer.train_from_iterator(
        topics[:3],
        library.trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=5)
    return tokenizer.to_str()


@given(text=TEXTS)
@example("one <|endoftext|> two, longer than the five tokens it was told to keep")
def test_hugging_face_gives_every_text_back(definition, text):
    tokenizer = HuggingFace(definition, "tiny")
    ids = tokenizer.encode(text)
    assert tokenizer.end not in ids  # a document that only writes about the end goes on
    assert tokenizer.decode([*ids, tokenizer.end]) == text


def test_hugging_face_saved_and_loaded(definition, tmp_path):
    tokenizer = HuggingFace(definition, "tiny")
    assert tokenizer.size == 400
    assert tokenizer.unknown == tokenizer.end == 0
    tokenizer.save(tmp_path)
    for source in (tmp_path, tmp_path / "tokenizer.json"):
        again = load_tokenizer(source)
        assert again.digest == tokenizer.digest
        assert again.encode("a cat") == tokenizer.encode("a cat")


def test_hugging_face_special_tokens():
    library = pytest.importorskip("tokenizers")
    vocabulary = {"[UNK]": 0, "[SEP]": 1, "cat": 2, "dog": 7}
    inner = library.Tokenizer(library.models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = library.pre_tokenizers.Whitespace()
    tokenizer = HuggingFace(inner.to_str(), "words")
    assert (tokenizer.size, tokenizer.unknown, tokenizer.end) == (8, 0, 1)
    assert tokenizer.encode("cat bird dog") == [2, 0, 7]


def test_no_hugging_face_definition(tmp_path):
    pytest.importorskip("tokenizers")
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(InputError, match=r"not a tokenizer\.json"):
        load_tokenizer(path)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError, match=r"pip install 'infonoise-text\[hf\]'"):
        load_tokenizer("gpt2")


def test_a_tokenizer_is_trained_on_lines_that_hold_its_own_mark() -> None:
    text = "a bar ▁ chart ▁▁▂▃ of a river\n" * 40
    made = train_sentencepiece([text], 274)
    assert made.decode(made.encode(text)) == text
    # Words are pieces, so the lines were read and not passed over.
    assert len(made.encode("chart river")) < len("chart river")
