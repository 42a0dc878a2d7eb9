"""Prompts and answers: read from records, stored one behind the other, and cut to windows."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import SPLITS, Corpus
from infonoise_text.data.documents import Documents, open_documents
from infonoise_text.data.open import fitting
from infonoise_text.data.pairs import Pairs, lengths_file, prompt_room
from infonoise_text.data.prepare import prepare
from infonoise_text.data.reading import Document, Reading
from infonoise_text.data.rows import pair_rows
from infonoise_text.data.split import Division

RECORDS = [
    {"ask": f"number {i}", "say": f"{i} is {'even' if i % 2 == 0 else 'odd'}"} for i in range(60)
]
PAIRS = [Document(r["ask"], None, r["say"]) for r in RECORDS]


def lines(path: Path) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in RECORDS))
    return path


def array(path: Path) -> Path:
    path.write_text(json.dumps(RECORDS))
    return path


def table(path: Path) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(
            file, ["say", "ask"], delimiter="\t" if path.suffix == ".tsv" else ","
        )
        writer.writeheader()
        writer.writerows(RECORDS)
    return path


def parquet(path: Path) -> Path:
    arrow = pytest.importorskip("pyarrow")
    columns = {"say": [r["say"] for r in RECORDS], "ask": [r["ask"] for r in RECORDS]}
    pytest.importorskip("pyarrow.parquet").write_table(arrow.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("make", "name"),
    [(lines, "a.jsonl"), (array, "a.json"), (table, "a.csv"), (table, "a.tsv"),
     (parquet, "a.parquet")],
)  # fmt: skip
def test_every_format_of_records_gives_pairs(
    make: Callable[[Path], Path], name: str, tmp_path: Path
) -> None:
    documents = open_documents(str(make(tmp_path / name)), "ask", answer="say")
    assert list(documents) == PAIRS
    assert documents.reading.summary() == f"60 pairs in 1 files (1 .{name.split('.')[1]})"


@pytest.mark.parametrize(
    ("make", "name"), [(lines, "a.jsonl"), (table, "a.csv"), (parquet, "a.parquet")]
)
def test_a_field_that_is_not_there_is_named_with_its_option(
    make: Callable[[Path], Path], name: str, tmp_path: Path
) -> None:
    source = str(make(tmp_path / name))
    with pytest.raises(InputError, match=r"no .* 'reply' \(its .*\); name it with --answer"):
        list(open_documents(source, "ask", answer="reply"))
    with pytest.raises(InputError, match=r"no .* 'text' \(its .*\); name it with --field"):
        list(open_documents(source, answer="say"))


def test_what_has_no_pairs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("plain")
    with pytest.raises(InputError, match=r"a\.txt: plain text has no fields, so no pairs"):
        list(open_documents(str(tmp_path / "a.txt"), answer="say"))
    with pytest.raises(InputError, match="pydoc has no pairs"):
        open_documents("pydoc", answer="say")
    with pytest.raises(InputError, match="the field of the prompt too"):
        open_documents(str(lines(tmp_path / "a.jsonl")), "say", answer="say")


def test_pairs_without_a_prompt_or_an_answer_are_left_out() -> None:
    reading = Reading("ask", answer="say")
    found = [Document("a", None, " "), Document("", None, "b"), Document("a", None, "b")]
    assert list(reading.counted(found)) == found[2:]
    assert reading.summary() == "1 pairs; 2 empty ones left out"


def of(pairs: list[Document]) -> Documents:
    return Documents("pairs", lambda _: iter(pairs), lambda: Reading("ask", 0, "say"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return prepare(of(PAIRS), tmp_path_factory.mktemp("pairs") / "corpus", characters=True)


def test_pairs_are_stored_with_an_end_behind_each_part(corpus: Corpus) -> None:
    end, tokenizer = corpus.tokenizer.end, corpus.tokenizer
    assert corpus.manifest.pairs is not None
    assert corpus.manifest.pairs.longest == max(len(str(p.answer)) for p in PAIRS) + 1
    met: set[tuple[str, str]] = set()
    for name in SPLITS:
        split, at = corpus.split(name), 0
        assert split.pairs is not None
        assert not split.packed
        for prompt, answer, size in split.pairs.lengths.tolist():
            ids = split.ids[at : at + prompt + answer].tolist()
            assert (ids[prompt - 1], ids[-1], ids.count(end)) == (end, end, 2)
            pair = tokenizer.decode(ids[:prompt]), tokenizer.decode(ids[prompt:])
            assert size == len(pair[1].encode())
            met.add(pair)
            at += prompt + answer
        assert at == len(split)
        assert split.counts.documents == len(split.pairs.lengths)
    assert met == {(p.text, str(p.answer)) for p in PAIRS}
    assert len(corpus.split("valid")) > 0


def test_lengths_that_are_not_what_was_prepared_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    again = prepare(of(PAIRS), tmp_path / "again", characters=True)
    assert again.digest == corpus.digest
    path = again.folder / lengths_file("train")
    content = path.read_bytes()
    path.write_bytes(content[:-4])
    with pytest.raises(InputError, match=r"train\.pairs\.bin has .* bytes, not"):
        Corpus.open(again.folder)
    path.write_bytes(bytes(len(content)))
    with pytest.raises(InputError, match="is not what was prepared"):
        Corpus.open(again.folder)


def test_one_prompt_is_in_one_split_whatever_its_answers() -> None:
    pairs = [Document(f"prompt {i % 30}", None, f"answer {i}") for i in range(300)]
    division = Division.of(of(pairs))
    places: dict[str, set[str]] = {}
    for pair in pairs:
        for split, _ in division.pieces(pair):
            places.setdefault(pair.text, set()).add(split)
    assert all(len(splits) == 1 for splits in places.values())
    assert set.union(*places.values()) == set(SPLITS)
    assert list(division.pieces(pairs[0])) == [
        (*places["prompt 0"], "prompt 0"), (*places["prompt 0"], "answer 0"),
    ]  # fmt: skip


def test_pairs_are_never_cut_in_two(tmp_path: Path) -> None:
    few = [Document("a", None, "b"), Document("c", None, "d")]
    with pytest.raises(InputError, match=r"fewer than three different prompts.*--val and --test"):
        prepare(of(few), tmp_path / "few", characters=True)
    with pytest.raises(InputError, match="--answer with --pair-bits 8"):
        prepare(of(PAIRS), tmp_path / "filled", characters=True, pair_bits=8)


def random_pairs(seed: int, n: int = 400) -> Pairs:
    rng = np.random.default_rng(seed)
    lengths = np.stack([rng.integers(2, 40, n), rng.integers(2, 20, n), rng.integers(1, 99, n)], 1)
    return Pairs(lengths.astype(np.uint32), int(lengths[:, 1].max()))


@pytest.mark.parametrize("length", [4, 7, 16, 30, 64])
def test_what_fits_is_whole_but_for_the_beginning_of_prompts(length: int) -> None:
    pairs = random_pairs(length)
    found, room = pairs.fitted(length), prompt_room(length, pairs.longest)
    prompt, answer, size = pairs.lengths.astype(np.int64).T
    begin = np.cumsum(prompt + answer) - prompt - answer
    fits = np.minimum(prompt, room) + answer <= length
    # The answers are whole, and what is kept of a prompt is its end.
    assert np.array_equal(found.start + found.prompt, (begin + prompt)[fits])
    assert np.array_equal(found.answer, answer[fits])
    assert np.array_equal(found.bytes, size[fits])
    # How much is kept depends on nothing but the prompt: it says nothing of the answer.
    assert np.array_equal(found.prompt, np.minimum(prompt, room)[fits])
    assert found.cut == int((prompt > room)[fits].sum())
    assert found.refused == len(prompt) - len(found.start)
    # No answer of half a window or less is ever refused, whatever its prompt.
    assert not (~fits & (answer <= length // 2)).any()


def test_what_does_not_fit_is_said_in_one_line(corpus: Corpus, tmp_path: Path) -> None:
    assert fitting(corpus, 64) == []
    texts = [("p" * 20, "a"), ("q" * 5, "b" * 12), ("r" * 9, "c" * 12), ("s", "d")]
    pairs = [Document(ask, None, say) for ask, say in texts]
    pairs += [Document("s", split, "d") for split in ("valid", "test")]
    (line,) = fitting(prepare(of(pairs), tmp_path / "long", characters=True), 20)
    assert line == (
        "note: in windows of 20 tokens: train 1 prompts lose their beginning and 1 pairs, whose"
        " answers are too long, are left out"
    )


def test_windows_of_pairs_hold_a_prompt_an_answer_and_ends(corpus: Corpus) -> None:
    split = corpus.split("train")
    rows = pair_rows(split, 24)
    ids, known, padding = rows.windows(split, np.arange(len(rows.start)))
    asked = {f"{p.text}|{p.answer}" for p in PAIRS}
    decode, end = corpus.tokenizer.decode, corpus.tokenizer.end
    for row in range(len(ids)):
        shown = f"{decode(ids[row][known[row]])}|{decode(ids[row][~known[row]])}"
        assert shown in asked
        assert (ids[row][padding[row]] == end).all()
        assert not (known[row] & padding[row]).any()
        # The end of the answer is a part of it.
        assert ids[row][~padding[row]][-1] == end
