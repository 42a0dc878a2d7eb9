"""What is named as data becomes a corpus: prepared before, or here and now, once."""

import os
from pathlib import Path

import pytest

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import Corpus
from infonoise_text.data.documents import Documents
from infonoise_text.data.open import CACHE_VARIABLE, describe, open_corpus
from infonoise_text.data.options import CorpusOptions
from infonoise_text.data.prepare import prepare
from infonoise_text.tokenizers.sentencepiece import SentencePiece


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


@pytest.fixture
def prepared(tmp_path: Path, topics: list[str], tokenizer: SentencePiece) -> Path:
    documents = Documents.of("some", topics)
    return prepare(documents, tmp_path / "prepared", tokenizer=tokenizer).folder


def texts(folder: Path, topics: list[str]) -> Path:
    folder.mkdir()
    for i, text in enumerate(topics):
        (folder / f"{i:02}.txt").write_text(text)
    return folder


def test_text_is_prepared_once_and_anew_when_it_changes(
    cache: Path, tmp_path: Path, topics: list[str]
) -> None:
    source, options = texts(tmp_path / "a b", topics), CorpusOptions(vocab_size=400)
    first = open_corpus(str(source), options)
    assert first.tokenizer.size == 400
    assert first.folder.parent == cache
    before = (first.folder / "train.bin").stat().st_mtime_ns
    assert open_corpus(str(source), options).folder == first.folder
    assert (first.folder / "train.bin").stat().st_mtime_ns == before
    assert open_corpus(str(source), CorpusOptions(vocab_size=410)).folder != first.folder
    (source / "00.txt").write_text("other words\n" * 50)
    assert open_corpus(str(source), options).folder != first.folder
    assert len(list(cache.iterdir())) == 3


def test_the_semantic_codes_are_made_when_they_are_asked_for(
    cache: Path, tmp_path: Path, topics: list[str], tokenizer: SentencePiece
) -> None:
    source = texts(tmp_path / "texts", topics)
    tokenizer.save(tmp_path)
    options = CorpusOptions(tokenizer=str(tmp_path / "tokenizer.model"))
    plain = open_corpus(str(source), options)
    with pytest.raises(InputError, match="no semantic codes here"):
        plain.codes("semantic")
    again = open_corpus(str(source), options, semantic=True)
    assert again.folder == plain.folder
    assert again.codes("semantic").size == 512


def test_a_prepared_folder_is_taken_as_it_is(
    cache: Path, prepared: Path, tmp_path: Path, tokenizer: SentencePiece
) -> None:
    tokenizer.save(tmp_path)
    same = CorpusOptions(vocab_size=512, tokenizer=str(tmp_path / "tokenizer.model"))
    for options in (CorpusOptions(), same):
        assert open_corpus(str(prepared), options).folder == prepared
    assert not cache.exists()
    assert describe(Corpus.open(prepared))["vocabulary"] == 512


def test_a_prepared_folder_that_is_not_what_was_asked_for_is_refused(
    cache: Path, prepared: Path, tmp_path: Path, topics: list[str]
) -> None:
    other = prepare(Documents.of("b", topics), tmp_path / "other", vocab_size=400)
    for options, message in (
        (CorpusOptions(vocab_size=400), "--vocab-size 400: .* was prepared with 512 tokens"),
        (CorpusOptions(pair_bits=10), "--pair-bits 10: .* was prepared with 512 codes"),
        (CorpusOptions(tokenizer=str(other.folder)), "--tokenizer .*: .* was prepared with"),
        (CorpusOptions(tokenizer="gpt2"), "--tokenizer gpt2: .* was prepared with"),
    ):
        with pytest.raises(InputError, match=message):
            open_corpus(str(prepared), options)


def test_pairs_are_known_by_the_name_of_their_tokenizer(
    cache: Path, tmp_path: Path, topics: list[str], tokenizer: SentencePiece
) -> None:
    """So that the published recipes meet a prepared corpus without a network."""
    named = SentencePiece(tokenizer._model, "gpt2")
    folder = tmp_path / "pairs"
    made = prepare(Documents.of("p", topics), folder, tokenizer=named, pair_bits=10)
    assert made.tokenizer.name == "gpt2 filled to 2^10"
    found = open_corpus(str(folder), CorpusOptions(tokenizer="gpt2", pair_bits=10))
    assert found.tokenizer.size == 1024


def test_several_processes_do_not_prepare_one_corpus(
    cache: Path, tmp_path: Path, topics: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = texts(tmp_path / "texts", topics)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="run infonoise-text prepare first"):
        open_corpus(str(source), CorpusOptions(vocab_size=400))
    assert not os.path.exists(cache)
