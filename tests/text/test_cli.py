"""The command: what it prints, and one line and exit code 2 for each mistake."""

import json

import pytest

from infonoise_text.cli import main
from infonoise_text.data.corpus import Corpus

from .command_line import run


@pytest.fixture
def folder(tmp_path, topics):
    source = tmp_path / "source"
    source.mkdir()
    for i, text in enumerate(topics):
        (source / f"{i:02}.txt").write_text(text)
    return source


def test_prepare(folder, tmp_path, capsys):
    out = tmp_path / "out"
    options = ("--vocab-size", 450, "--pair-bits", 9, "--semantic")
    code, printed, err = run(capsys, "prepare", folder, "--out", out, *options)
    assert code == 0, err
    corpus = Corpus.open(out)
    assert corpus.tokenizer.size == corpus.codes("semantic").size == 512
    for name, counts in corpus.manifest.splits.items():
        assert f"{name}: {counts.documents} documents, {counts.tokens} tokens" in printed


def test_a_prepared_folder_gives_its_tokenizer(folder, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    for out, option, value in ((first, "--vocab-size", 450), (second, "--tokenizer", first)):
        assert run(capsys, "prepare", folder, "--out", out, option, value)[0] == 0
    assert Corpus.open(first).digest == Corpus.open(second).digest


def test_overwrite_replaces_the_whole(folder, tmp_path, capsys):
    out = tmp_path / "out"
    options = ("prepare", folder, "--out", out, "--vocab-size")
    assert run(capsys, *options, 450, "--semantic")[0] == 0
    assert run(capsys, *options, 460, "--no-semantic", "--overwrite")[0] == 0
    assert Corpus.open(out).tokenizer.size == 460
    assert not (out / "semantic.safetensors").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "source"]


def test_notes(tmp_path, capsys):
    library = pytest.importorskip("tokenizers")
    words = library.Tokenizer(library.models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    words.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "a.txt").write_text("some text")
    code, _, err = run(
        *(capsys, "prepare", tmp_path / "a.txt", "--out", tmp_path / "out"),
        *("--tokenizer", tmp_path / "tokenizer.json"),
    )
    assert code == 0
    assert "the end of each is held out" in err
    assert "documents do not come back exactly" in err


MISTAKES = {
    "empty corpus": (["empty.txt"], "empty.txt: no text in it"),
    "empty folder": (["folder"], "folder: is empty"),
    "no corpus": (["nothing"], "nothing: not found"),
    "not UTF-8": (["latin.txt"], "latin.txt: not UTF-8 at byte 3"),
    "no text field": (["rows.jsonl"], "rows.jsonl, line 2: no field 'text'"),
    "big vocabulary": (["a.txt", "--vocab-size", "5000"], "a.txt supports at most"),
    "small vocabulary": (["a.txt", "--vocab-size", "99"], "too small for the 256 bytes"),
    "no vocabulary": (["a.txt", "--vocab-size", "-3"], "--vocab-size -3: give a size"),
    "two tokenizers": (
        ["a.txt", "--vocab-size", "300", "--tokenizer", "tokenizer.model"],
        "a given tokenizer has its own size",
    ),
    "no tokenizer": (["a.txt", "--tokenizer", "a.txt"], "a: not a sentencepiece model"),
    "few pairs": (["a.txt", "--vocab-size", "270", "--pair-bits", "16"], "does not fill"),
    "few codes": (["a.txt", "--vocab-size", "270", "--pair-bits", "8"], "give 9 bits or more"),
    "no codes": (["a.txt", "--vocab-size", "270", "--pair-bits", "99"], "give 1 to 24 bits"),
    "unknown option": (["a.txt", "--vocabulary", "270"], "--vocabulary"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("there", [False, True], ids=["", "overwrite"])
def test_a_mistake_is_one_line_and_costs_nothing(
    mistake, there, tokenizer, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "folder").mkdir()
    tokenizer.save(tmp_path)
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n' + json.dumps({"body": "b"}) + "\n")
    (tmp_path / "a.txt").write_text("the cat sat on the mat\n" * 9)
    if there:
        assert main(["prepare", "a.txt", "--out", "out", "--vocab-size", "270"]) == 0
        capsys.readouterr()
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    arguments, message = MISTAKES[mistake]
    code, _, err = run(capsys, "prepare", *arguments, "--out", "out", "--overwrite")
    assert code == 2
    last = err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    progress = ("bytes ", "learning the tokenizer")
    assert not [line for line in err.splitlines()[:-1] if not line.startswith(progress)]
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_what_is_there_stays(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("the cat sat on the mat\n" * 9)
    options = ("prepare", "a.txt", "--vocab-size", "270", "--out")
    assert run(capsys, *options, "out")[0] == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("precious")
    for out, mend in (("out", "--overwrite"), ("mine", "another folder"), ("a.txt", "a folder")):
        code, _, err = run(capsys, *options, out)
        assert code == 2
        assert err.startswith(f"error: --out {out} ")
        assert err.endswith(f"{mend}\n")
    assert run(capsys, *options, "mine", "--overwrite")[0] == 2
    assert (tmp_path / "mine" / "file").read_text() == "precious"
