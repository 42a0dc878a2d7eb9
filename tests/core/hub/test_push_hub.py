"""push and pull over the hub: there and back, revisions, and what the hub refuses."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.hub.repository import repository

from ..fake_hub import Hub, sha
from ..toy_domain import MODEL_FILES, names, pull, push, refused


def test_there_and_back_over_the_hub(toy_run: Path, tmp_path: Path, hub: Hub, capsys: Any) -> None:
    push(toy_run, "hf:me/toy")
    assert "hf:me/toy: pushed to" in capsys.readouterr().out
    assert hub.files("me/toy").keys() == MODEL_FILES | {".gitattributes"}
    assert len(hub.commits["me/toy"]) == 2  # made, and filled at once
    page = hub.files("me/toy")["README.md"].decode()
    assert "pip install 'infonoise-toy[hub]'" in page
    assert "infonoise-toy pull hf:me/toy --out model" in page
    pull("hf:me/toy", tmp_path / "model")
    assert names(tmp_path / "model") == MODEL_FILES
    push(toy_run, tmp_path / "shared")
    for name in MODEL_FILES - {"README.md"}:
        model, shared = (tmp_path / folder / name for folder in ("model", "shared"))
        assert model.read_bytes() == shared.read_bytes()


def test_a_revision_is_fetched(toy_run: Path, tmp_path: Path, hub: Hub, capsys: Any) -> None:
    push(toy_run, "hf:me/toy")
    (toy_run / "words.txt").write_text("other")
    push(toy_run, "hf:me/toy", overwrite=True)
    pull("hf:me/toy", tmp_path / "new")
    new = capsys.readouterr().out
    assert (tmp_path / "new" / "words.txt").read_text() == "other"
    # The commit that was fetched is told, and can be asked for.
    (old,) = [c for c in revisions(hub) if f"@{c}" not in new and "card.json" in commit(hub, c)]
    pull(f"hf:me/toy@{old}", tmp_path / "old")
    assert (tmp_path / "old" / "words.txt").read_text() == "a b c"
    refused("no such revision", lambda: pull("hf:me/toy@v9", tmp_path / "none"))


def revisions(hub: Hub) -> list[str]:
    return [sha("me/toy", i) for i in range(len(hub.commits["me/toy"]))]


def commit(hub: Hub, revision: str) -> dict[str, bytes]:
    return hub.commits["me/toy"][revisions(hub).index(revision)]


def test_a_push_replaces_the_whole_when_asked(toy_run: Path, hub: Hub) -> None:
    push(toy_run, "hf:me/toy")
    refused("hf:me/toy exists", lambda: push(toy_run, "hf:me/toy"))
    hub.files("me/toy")["stale.txt"] = b"x"
    push(toy_run, "hf:me/toy", overwrite=True)
    assert hub.files("me/toy").keys() == MODEL_FILES | {".gitattributes"}
    hub.commits["me/thesis"] = [{"thesis.txt": b"x"}]
    refused("files that no push wrote", lambda: push(toy_run, "hf:me/thesis", overwrite=True))
    assert hub.files("me/thesis") == {"thesis.txt": b"x"}
    # Made by hand on the hub's page, and empty.
    hub.commits["me/empty"] = [{".gitattributes": b"", "README.md": b"soon"}]
    push(toy_run, "hf:me/empty")
    assert b"soon" not in hub.files("me/empty")["README.md"]


def test_damage_on_the_hub_is_found(toy_run: Path, tmp_path: Path, hub: Hub) -> None:
    push(toy_run, "hf:me/toy")
    hub.files("me/toy")["words.txt"] = b"a b d"
    refused(
        r"hf:me/toy@\w+: words.txt does not match its sha256",
        lambda: pull("hf:me/toy", tmp_path / "model"),
    )
    del hub.files("me/toy")["words.txt"]
    # Another commit, for the client need not ask twice for the files of one.
    hub.commits["me/toy"].append(hub.files("me/toy"))
    refused("words.txt is missing", lambda: pull("hf:me/toy", tmp_path / "model"))
    hub.commits["me/other"] = [{"README.md": b""}]
    refused("no card.json there", lambda: pull("hf:me/other", tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_what_the_hub_refuses_is_one_line(
    toy_run: Path, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused("no such repository", lambda: pull("hf:me/none", tmp_path / "model"))
    hub.failing = "commit"
    refused("hf:me/toy: .*out of order.*; try again later", lambda: push(toy_run, "hf:me/toy"))
    assert "card.json" not in hub.files("me/toy")
    hub.failing = ""
    push(toy_run, "hf:me/toy", private=True)  # what the failed push made is free
    monkeypatch.setenv("HF_TOKEN", "hf_of_another")
    refused("the hub refuses this token", lambda: push(toy_run, "hf:you/toy"))
    monkeypatch.delenv("HF_TOKEN")
    refused("not logged in to the hub; log in", lambda: push(toy_run, "hf:me/toy"))


def test_no_network_is_one_line(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    refused("cannot be reached", lambda: pull("hf:me/toy", tmp_path / "model"))


def test_without_the_library_the_extra_is_named(
    toy_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    wanted = re.escape("pip install 'infonoise-toy[hub]'")
    refused(wanted, lambda: push(toy_run, "hf:me/toy"))
    refused(wanted, lambda: pull("hf:me/toy", tmp_path / "model"))
    push(toy_run, tmp_path / "shared")  # a folder needs none of it


def test_names_of_repositories() -> None:
    found = repository("hf:me/to-y_1.0@v2", "infonoise-toy")
    assert found is not None
    assert (found.name, found.revision, str(found)) == ("me/to-y_1.0", "v2", "hf:me/to-y_1.0@v2")
    assert repository("some/folder", "infonoise-toy") is None
