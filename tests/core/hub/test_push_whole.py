"""What is pushed or pulled is there whole or not at all, and takes nobody's place unasked."""

from pathlib import Path

import pytest

from infonoise_core.training.artifact import new_folder

from ..toy_domain import MODEL_FILES, make_run, names, opened, pull, push, refused


@pytest.mark.parametrize("name", sorted(MODEL_FILES - {"README.md", "card.json"}))
def test_damage_is_found_by_the_checksum(name: str, toy_run: Path, tmp_path: Path) -> None:
    push(toy_run, tmp_path / "shared")
    path = tmp_path / "shared" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    refused(f"{name} does not match its sha256", lambda: pull(tmp_path / "shared", tmp_path / "m"))
    path.unlink()
    refused(f"{name} is missing", lambda: pull(tmp_path / "shared", tmp_path / "m"))
    assert {p.name for p in tmp_path.iterdir()} == {"run", "shared"}


def test_weights_that_were_damaged_after_the_pull_are_found(toy_run: Path, tmp_path: Path) -> None:
    push(toy_run, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    refused("model.safetensors does not match", lambda: opened(tmp_path / "model"))


def test_a_push_that_fails_leaves_nothing(toy_run: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "other", objective={"width": 4})
    refused("not of the network", lambda: push(tmp_path / "other", tmp_path / "shared"))
    assert {p.name for p in tmp_path.iterdir()} == {"run", "other"}
    push(toy_run, tmp_path / "shared")
    before = {name: (tmp_path / "shared" / name).read_bytes() for name in MODEL_FILES}
    refused(
        "not of the network", lambda: push(tmp_path / "other", tmp_path / "shared", overwrite=True)
    )
    assert {name: (tmp_path / "shared" / name).read_bytes() for name in MODEL_FILES} == before


def test_only_what_was_pushed_is_replaced(toy_run: Path, tmp_path: Path) -> None:
    target = tmp_path / "shared"
    target.mkdir()
    push(toy_run, target)  # empty, so free
    refused("exists: give another folder or --overwrite", lambda: push(toy_run, target))
    (target / "evaluation.json").write_text("{}")
    push(toy_run, target, overwrite=True)
    assert names(target) == MODEL_FILES
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    refused("no push or pull wrote it", lambda: push(toy_run, mine, overwrite=True))
    refused("no push or pull wrote it", lambda: push(toy_run, toy_run, overwrite=True))
    refused("is a file", lambda: push(toy_run, mine / "thesis.txt"))
    refused("is a file", lambda: pull(target, mine / "thesis.txt" / "model"))
    assert (mine / "thesis.txt").read_text() == "x"


def interrupt(out: Path) -> None:
    with new_folder(out, overwrite=True) as folder:
        assert not list(folder.iterdir())
        raise KeyboardInterrupt


def test_a_kill_while_replacing_leaves_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with new_folder(out, overwrite=False) as folder:
        (folder / "card.json").write_text("1")
    # As a kill leaves it: half of a new one beside the old one.
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "half").write_text("")
    with pytest.raises(KeyboardInterrupt):
        interrupt(out)
    assert names(tmp_path) == {"out/card.json"}
