"""A prepared corpus: all of the text is in it, splits are by document, and a mismatch is told."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import SPLITS, Corpus
from infonoise_text.data.documents import Documents, open_documents
from infonoise_text.data.prepare import prepare
from infonoise_text.data.reading import Document
from infonoise_text.data.split import Division
from infonoise_text.tokenizers.sentencepiece import train_sentencepiece

REPOSITORY = Path(__file__).parents[3]
DATA = REPOSITORY.parent / "shared" / "data" / "text"


def documents(texts, name="some") -> Documents:
    return Documents.of(name, texts)


@pytest.fixture(scope="module")
def corpus(topics, tokenizer, tmp_path_factory) -> Corpus:
    out = tmp_path_factory.mktemp("prepared") / "corpus"
    return prepare(documents(topics), out, tokenizer=tokenizer, semantic=True)


def texts_of(corpus: Corpus, split: str) -> list[str]:
    """The documents of a split, decoded."""
    ids, end = corpus.split(split).ids, corpus.tokenizer.end
    parts = np.split(ids, np.flatnonzero(ids == end) + 1)
    assert len(parts[-1]) == 0
    return [corpus.tokenizer.decode(part.tolist()) for part in parts[:-1]]


def test_nothing_is_lost(corpus, topics):
    prepared = {split: texts_of(corpus, split) for split in SPLITS}
    assert sorted(text for texts in prepared.values() for text in texts) == sorted(topics)
    for split, texts in prepared.items():
        counts = corpus.manifest.splits[split]
        assert counts.documents == len(texts) > 0
        assert counts.bytes == sum(len(text.encode()) for text in texts)
        assert counts.tokens == len(corpus.split(split))
    assert corpus.manifest.changed == 0
    assert corpus.manifest.split_by == "document"


def test_windows(corpus):
    split = corpus.split("train")
    positions = [0, 5, 5, len(split) - 7]
    windows = split.window(positions, 7)
    assert (windows.shape, windows.dtype) == ((4, 7), np.int32)
    for window, at in zip(windows, positions, strict=True):
        np.testing.assert_array_equal(window, split.ids[at : at + 7])
    n = split.windows(7)
    assert n == len(split) // 7
    whole = split.window(np.arange(n) * 7, 7)
    np.testing.assert_array_equal(whole.ravel(), split.ids[: n * 7])


def test_windows_stay_inside(corpus):
    split = corpus.split("valid")
    for positions in ([-1], [0, len(split) - 6]):
        with pytest.raises(IndexError, match=f"windows of 7 tokens at 0..{len(split) - 7}"):
            split.window(positions, 7)
    assert split.window([], 7).shape == (0, 7)
    with pytest.raises(InputError, match="fewer than one window"):
        split.windows(len(split) + 1)
    with pytest.raises(InputError, match="no split"):
        corpus.split("dev")
    with pytest.raises(ValueError, match="read-only"):
        split.ids[0] = 1


def test_codes(corpus):
    for name in ("binary", "semantic"):
        book = corpus.codes(name)
        assert (book.size, book.bits, book.name) == (512, 9, name)
    with pytest.raises(InputError, match="give binary or semantic"):
        corpus.codes("gray")


def test_no_semantic_codes(topics, tokenizer, tmp_path):
    corpus = prepare(documents(topics), tmp_path / "out", tokenizer=tokenizer)
    with pytest.raises(InputError, match="again with --semantic"):
        corpus.codes("semantic")


def test_the_order_of_documents_does_not_matter_for_the_split(topics):
    division = Division.of(documents(topics))
    shuffled = random.Random(0).sample(topics, len(topics))
    again = Division.of(documents(shuffled))
    assert [list(division.pieces(Document(t))) for t in topics] == [
        list(again.pieces(Document(t))) for t in topics
    ]


@given(
    st.lists(st.text("ab\n", min_size=1, max_size=40).filter(str.strip), min_size=1, max_size=40)
)
def test_every_piece_is_in_one_split_and_copies_stay_together(texts):
    division = Division.of(documents(texts))
    pieces = {text: list(division.pieces(Document(text))) for text in texts}
    assert all("".join(piece for _, piece in found) == text for text, found in pieces.items())
    if len(set(texts)) >= 3:
        assert {found[0][0] for found in pieces.values()} == set(SPLITS)
        assert all(len(found) == 1 for found in pieces.values())


def test_held_out_shares():
    rng = random.Random(0)
    texts = [f"{i} " + "x" * rng.randrange(1000) for i in range(1000)]
    division = Division.of(documents(texts))
    size = dict.fromkeys(SPLITS, 0)
    for text in texts:
        for split, piece in division.pieces(Document(text)):
            size[split] += len(piece)
    total = sum(size.values())
    for split in ("valid", "test"):
        # To the nearest end of a document, the longest of which has a thousand characters.
        assert abs(size[split] - 0.05 * total) <= 502


def test_held_out_documents_are_as_long_as_the_others():
    """On average over many corpora: none is passed over for its length."""
    lengths = {split: [] for split in SPLITS}
    rng = random.Random(1)
    for corpus in range(60):
        texts = [f"{corpus} {i} " + "x" * (1 << rng.randrange(9)) for i in range(120)]
        division = Division.of(documents(texts))
        for text in texts:
            ((split, _),) = division.pieces(Document(text))
            lengths[split].append(len(text))
    mean = {split: float(np.mean(found)) for split, found in lengths.items()}
    for split in ("valid", "test"):
        error = float(np.std(lengths[split])) / len(lengths[split]) ** 0.5
        assert abs(mean[split] - mean["train"]) < 4 * error


def test_copies_that_differ_in_white_space_stay_together():
    texts = [f"text number {i}\nof some" for i in range(100)]
    copies = [f" {text}\n\n".replace(" ", "  ") for text in texts]
    division = Division.of(documents([*texts, *copies]))
    splits = [[split for split, _ in division.pieces(Document(text))] for text in (*texts, *copies)]
    assert splits[:100] == splits[100:]
    assert {split for (split,) in splits} == set(SPLITS)


def test_one_document_is_cut_at_the_ends_of_lines(tmp_path, tokenizer):
    text = "".join(f"line {i}\n" for i in range(1000))
    corpus = prepare(documents([text]), tmp_path / "out", tokenizer=tokenizer)
    assert corpus.manifest.split_by == "stretch"
    pieces = [texts_of(corpus, split) for split in SPLITS]
    assert "".join(piece for (piece,) in pieces) == text
    assert all(piece.endswith("\n") for (piece,) in pieces)
    share = [len(piece) / len(text) for (piece,) in pieces]
    assert share == pytest.approx([0.9, 0.05, 0.05], abs=0.002)  # a line is 0.1 %


def test_the_tokenizer_sees_the_train_split_alone(topics, tmp_path):
    corpus = prepare(documents(topics), tmp_path / "out", vocab_size=450)
    train = [t for t in topics if t in texts_of(corpus, "train")]
    assert corpus.tokenizer.digest == train_sentencepiece(train, 450).digest


@pytest.mark.parametrize(
    ("texts", "size"),
    [
        (["some words\n" * 3, "of few letters", "and no more"], 256),
        ([chr(20000 + i) for i in range(5000)], 4096),
    ],
)
def test_the_vocabulary_fits_the_corpus_when_it_is_left_open(texts, size, tmp_path):
    # Few words do not fill 4096 tokens; thousands of letters leave no room for words.
    corpus = prepare(documents(texts), tmp_path / "out")
    assert corpus.tokenizer.size >= size
    assert corpus.manifest.changed == 0


def test_pairs_fill_all_codes(topics, tokenizer, tmp_path):
    plain = prepare(documents(topics), tmp_path / "plain", tokenizer=tokenizer)
    filled = prepare(documents(topics), tmp_path / "filled", tokenizer=tokenizer, pair_bits=10)
    assert filled.tokenizer.size == 1024
    for split in SPLITS:
        assert texts_of(filled, split) == texts_of(plain, split)
        old, new = plain.manifest.splits[split], filled.manifest.splits[split]
        assert (new.bytes, new.documents) == (old.bytes, old.documents)
        assert new.tokens < old.tokens
    assert filled.codes().size == 1 << filled.codes().bits


def test_the_same_corpus_gives_the_same_files(corpus, topics, tokenizer, tmp_path):
    again = prepare(documents(topics), tmp_path / "out", tokenizer=tokenizer, semantic=True)
    assert again.digest == corpus.digest
    for file in corpus.folder.iterdir():
        assert (again.folder / file.name).read_bytes() == file.read_bytes()


def test_a_bigger_vocabulary_takes_four_bytes(tmp_path):
    class Characters:
        name, digest, size, unknown, end = "characters", "0", 0x110000, 0, None

        def encode(self, text):
            return [ord(c) for c in text]

        def decode(self, ids):
            return "".join(map(chr, ids)).lower()

        def save(self, folder):
            (folder / "tokenizer.model").write_bytes(b"")

    texts = ["one \U0001f600", "Two", "three"]
    with pytest.raises(InputError, match="not a sentencepiece model"):
        prepare(documents(texts), tmp_path / "out", tokenizer=Characters())
    manifest = json.loads((tmp_path / "out" / "corpus.json").read_text())
    assert manifest["dtype"] == "uint32"
    assert manifest["changed"] == 1  # "Two"
    with pytest.raises(InputError, match="no token for the end"):
        prepare(documents(texts), tmp_path / "no", tokenizer=Characters(), pair_bits=21)


# What is wrong


def test_a_tokenizer_that_does_not_match(corpus, topics, tokenizer):
    assert Corpus.open(corpus.folder, tokenizer).digest == corpus.digest
    other = train_sentencepiece(topics, 500)
    with pytest.raises(InputError, match="was prepared with the tokenizer 'sentencepiece 512'"):
        Corpus.open(corpus.folder, other)


@pytest.fixture
def copy(topics, tokenizer, tmp_path) -> Path:
    return prepare(documents(topics), tmp_path / "copy", tokenizer=tokenizer).folder


def test_a_tokenizer_exchanged_in_the_folder(copy, topics):
    train_sentencepiece(topics, 500).save(copy)
    with pytest.raises(InputError, match="not the one its ids were made with"):
        Corpus.open(copy)


def test_damaged_folders(copy):
    (copy / "valid.bin").write_bytes(b"123")
    with pytest.raises(InputError, match=r"valid\.bin has 3 bytes, not \d+"):
        Corpus.open(copy)
    (copy / "train.bin").unlink()
    with pytest.raises(InputError, match=r"train\.bin is missing"):
        Corpus.open(copy)
    manifest = json.loads((copy / "corpus.json").read_text())
    (copy / "corpus.json").write_text(json.dumps({**manifest, "version": 99}))
    with pytest.raises(InputError, match="version 99, not"):
        Corpus.open(copy)
    for content in ("{", "[]", "{}", json.dumps({**manifest, "splits": {}})):
        (copy / "corpus.json").write_text(content)
        with pytest.raises(InputError, match="damaged; prepare the corpus again"):
            Corpus.open(copy)
    (copy / "corpus.json").unlink()
    with pytest.raises(InputError, match="no prepared corpus here"):
        Corpus.open(copy)


class Interrupted:
    """A tokenizer that is stopped in the middle of the work."""

    def __init__(self, tokenizer, after: int) -> None:
        self._tokenizer, self._left = tokenizer, after

    def __getattr__(self, name):
        return getattr(self._tokenizer, name)

    def encode(self, text):
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._tokenizer.encode(text)


def test_an_interruption_leaves_nothing_behind(topics, tokenizer, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        prepare(documents(topics), out, tokenizer=Interrupted(tokenizer, 5))
    assert list(tmp_path.iterdir()) == []
    prepare(documents(topics), out, tokenizer=tokenizer)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        prepare(documents(topics), out, tokenizer=Interrupted(tokenizer, 5), overwrite=True)
    assert list(tmp_path.iterdir()) == [out]
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_a_corpus_that_changes_while_it_is_read(tokenizer, tmp_path):
    readings = iter([["one", "two", "three"], ["one", "two"]])
    changing = Documents("changing", lambda _: map(Document, next(readings)))
    with pytest.raises(InputError, match="changed while it was read"):
        prepare(changing, tmp_path / "out", tokenizer=tokenizer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.data
@pytest.mark.slow
def test_books_come_back_whole(tmp_path):
    source = open_documents(str(DATA / "gutenberg-books" / "gutenberg-books.tar.xz"))
    corpus = prepare(source, tmp_path / "books", vocab_size=4096)
    counts = corpus.manifest.splits
    assert sum(c.documents for c in counts.values()) == 22
    assert sum(c.bytes for c in counts.values()) == 19_501_644
    assert corpus.manifest.changed == 0
    assert all(c.bytes / c.tokens > 2 for c in counts.values())  # words, not letters


@pytest.mark.data
def test_one_file_of_plays(tmp_path, tokenizer):
    source = open_documents(str(DATA / "tinyshakespeare" / "input.txt"))
    corpus = prepare(source, tmp_path / "plays", tokenizer=tokenizer)
    assert corpus.manifest.split_by == "stretch"
    assert sum(c.bytes for c in corpus.manifest.splits.values()) == 1_115_394
    assert corpus.manifest.changed == 0
