"""Cases that people have met, each by its own command; the data lie beside the repository."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from infonoise_text.cli import main
from infonoise_text.data.corpus import Corpus

CASES = Path(__file__).parents[3] / "shared" / "cases" / "text"

pytestmark = [pytest.mark.data, pytest.mark.slow]


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    err: str
    folder: Path

    def corpus(self) -> Corpus:
        assert self.code == 0, self.err
        return Corpus.open(self.folder / "out")

    def texts(self) -> str:
        """All splits together, as their tokenizer gives them back."""
        corpus = self.corpus()
        ids = [corpus.split(name).ids.tolist() for name in ("train", "valid", "test")]
        return "".join(corpus.tokenizer.decode(part) for part in ids)

    def refused(self, *words: str) -> None:
        """One line that says it, and nothing is left."""
        assert self.code == 2
        (line,) = [line for line in self.err.splitlines() if line.startswith("error")]
        for word in words:
            assert word in line
        assert not (self.folder / "out").exists()


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[..., Outcome]:
    """Name of a case, further options -> its first command carried out on a copy."""

    def carry_out(name: str, *more: str) -> Outcome:
        if not (CASES / name).is_dir():
            pytest.skip("no cases beside the repository")
        shutil.copytree(CASES / name, tmp_path / "case")
        monkeypatch.chdir(tmp_path / "case")
        first = (tmp_path / "case" / "cmd.txt").read_text().split("&&")[0]
        try:
            code = main([*shlex.split(first)[1:], *more])
        except SystemExit as end:
            code = int(end.code or 0)
        return Outcome(code, capsys.readouterr().err, tmp_path / "case")

    return carry_out


def records(outcome: Outcome, name: str = "in.jsonl") -> list[Any]:
    content = (outcome.folder / name).read_bytes().decode("utf-8-sig")
    return [json.loads(line) for line in content.splitlines() if line.strip()]


def test_a_nested_field(case: Callable[..., Outcome]) -> None:
    found = case("10a-jsonl-nested")
    texts = found.texts()
    assert all(row["message"]["content"] in texts for row in records(found))


@pytest.mark.parametrize(
    ("name", "why"), [("10b-jsonl-missing", "line "), ("10c-jsonl-null", "is null")]
)
def test_a_record_without_its_text_is_named_or_left_out(
    name: str, why: str, case: Callable[..., Outcome]
) -> None:
    case(name).refused("in.jsonl, line ", why)


@pytest.mark.parametrize("name", ["10b-jsonl-missing", "10c-jsonl-null", "11a-parquet-null"])
def test_bad_records_are_counted_where_they_may_be(name: str, case: Callable[..., Outcome]) -> None:
    found = case(name, "--skip-bad", "100")
    assert found.code == 0, found.err
    assert "bad ones left out: in." in found.err


def test_a_mark_in_front_and_blank_lines(case: Callable[..., Outcome]) -> None:
    found = case("10f-jsonl-bom-blank")
    assert sum(c.documents for c in found.corpus().manifest.splits.values()) == len(records(found))


def test_null_rows_of_parquet_are_named(case: Callable[..., Outcome]) -> None:
    case("11a-parquet-null").refused("in.parquet, row ", "is null")


def test_a_zip_is_read(case: Callable[..., Outcome]) -> None:
    assert case("13-zip").corpus().manifest.splits["train"].documents > 0


def test_what_a_folder_gives_is_said(case: Callable[..., Outcome]) -> None:
    found = case("14-suffixes")
    assert found.code == 0, found.err
    (line,) = [line for line in found.err.splitlines() if line.startswith("read: ")]
    for suffix in (".md", ".rst", ".txt", ".text", ".tex", ".log", ".markdown", ".adoc"):
        assert suffix in line
    assert "left out" in line


def test_a_vocabulary_that_is_too_small_names_the_least(case: Callable[..., Outcome]) -> None:
    case("18b-vocab-too-small").refused("--vocab-size 100: too small", "or more")


def test_copies_that_differ_in_white_space_are_on_one_side(case: Callable[..., Outcome]) -> None:
    found = case("28b-near-duplicates")
    corpus = found.corpus()
    sides: dict[str, set[str]] = {}
    end = corpus.tokenizer.end
    for name in ("train", "valid", "test"):
        part: list[int] = []
        for token in corpus.split(name).ids.tolist():
            part.append(token)
            if token == end:
                text = " ".join(corpus.tokenizer.decode(part).split())
                sides.setdefault(text, set()).add(name)
                part = []
    assert sides
    assert all(len(names) == 1 for names in sides.values())


def test_the_mark_of_sentencepiece_comes_back(case: Callable[..., Outcome]) -> None:
    found = case("30-u2581")
    assert "▁" in found.texts()
    assert found.corpus().manifest.changed == 0


def test_only_regular_files_of_a_tar(case: Callable[..., Outcome]) -> None:
    found = case("34-tar-odd")
    assert found.code == 0, found.err
    assert {p.name for p in found.folder.iterdir()} == {"cmd.txt", "expect.txt", "in.tar", "out"}
    assert {p.name for p in found.folder.parent.iterdir()} == {"case"}


def test_files_of_a_mac_stop_nothing(case: Callable[..., Outcome]) -> None:
    assert case("35-mac-folder").code == 0


def test_a_table(case: Callable[..., Outcome]) -> None:
    assert case("37-csv").corpus().manifest.splits["train"].documents > 0


def test_given_splits_are_kept(case: Callable[..., Outcome]) -> None:
    found = case("42-split-folders")
    corpus = found.corpus()
    for name in ("train", "valid", "test"):
        text = (found.folder / "in" / f"{name}.txt").read_text()
        assert corpus.tokenizer.decode(corpus.split(name).ids.tolist()) == text


def test_a_pdf_is_named(case: Callable[..., Outcome]) -> None:
    case("47-pdf").refused("in.pdf", "a PDF")
