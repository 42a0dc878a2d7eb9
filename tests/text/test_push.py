"""A run that was pushed and pulled speaks as before: tokenizer and codes go with it."""

from pathlib import Path

import pytest

from infonoise_text.cli import main

QUICK = ["--length", "12", "--batch-size", "8", "--steps", "6", "--save-every", "3"]
KINDS = {
    "bits": [],
    "semantic": ["--codes", "semantic", "--schedule", "edm"],
    "autoregressive": ["--method", "autoregressive"],
    "clusters": ["--clusters", "4"],
}


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, corpus: Path) -> tuple[Path, Path]:
    """A run, and what became of it on the way; the run itself is told of no more."""
    kind = request.param
    run, shared, model = (corpus.parent / f"{kind}-{word}" for word in ("run", "shared", "model"))
    assert main(["train", str(corpus), "--out", str(run), *QUICK, *KINDS[kind]]) == 0
    assert main(["push", str(run), str(shared)]) == 0
    assert main(["pull", str(shared), "--out", str(model)]) == 0
    return run, model


def test_a_pulled_model_speaks_as_the_run(pair: tuple[Path, Path], tmp_path: Path) -> None:
    verbs: list[list[str]] = [["sample"]]
    if "bits" in pair[0].name:
        verbs += [["complete", "the"], ["infill", "a ___ b"]]
    for verb, *text in verbs:
        found = []
        for run in pair:
            out = tmp_path / "found.jsonl"
            words = [verb, str(run), *text, "--n", "2", "--steps", "5", "--grid", "karras"]
            assert main([*words, "--out", str(out), "--overwrite"]) == 0
            found.append(out.read_bytes())
        assert found[0] == found[1]


def test_everything_it_needs_is_there(pair: tuple[Path, Path], corpus: Path) -> None:
    run, model = pair
    names = {p.relative_to(model).as_posix() for p in model.rglob("*") if p.is_file()}
    profiles = {"profile.json", "clusters-profile.json"}
    assert names - profiles - {"clusters.safetensors"} == {
        "README.md", "card.json", "codes.safetensors", "config.json", "done.json",
        "model.safetensors", "tokenizer/tokenizer.model",
    }  # fmt: skip
    for name in (*profiles, "clusters.safetensors"):
        assert (name in names) == (run / name).exists()
    page = (model / "README.md").read_text()
    assert "    infonoise-text sample model\n" in page
    assert "| method |" in page
    assert "| bits_per_byte | " in page
    told = page + "".join(p.read_text() for p in model.glob("*.json"))
    assert str(corpus.parent) not in told


def test_a_damaged_tokenizer_is_found(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = pair
    shared = tmp_path / "shared"
    assert main(["push", str(run), str(shared)]) == 0
    file = shared / "tokenizer" / "tokenizer.model"
    file.write_bytes(file.read_bytes()[:-1])
    assert main(["pull", str(shared), "--out", str(tmp_path / "model")]) == 2
    err = capsys.readouterr().err
    assert "tokenizer/tokenizer.model does not match its sha256 in card.json" in err
    assert not (tmp_path / "model").exists()
