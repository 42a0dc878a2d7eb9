"""push and pull: what travels, that it arrives whole or not at all, and who is told no."""

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from infonoise_core import EntropyRateProfile, InputError
from infonoise_core.cli import main as infonoise
from infonoise_core.exact import BinarySource, exact_profile
from infonoise_core.training import checkpoint, command
from infonoise_core.training.artefact import load_weights, new_folder, read_card, without_paths
from infonoise_core.training.config import check_run, write_json
from infonoise_core.training.hub import repository
from infonoise_core.training.loop import load_denoiser
from infonoise_core.training.push import Pull, Push
from infonoise_core.training.push_model import Domain, pull_model, push_model

from .fake_hub import TOKEN, Hub, running

SECRET = "/home/somebody/secret"
MODEL_FILES = {
    "README.md", "card.json", "config.json", "done.json", "model.safetensors", "profile.json",
    "words.txt",
}  # fmt: skip


def opened(folder: Path) -> nn.Module:
    """As a domain rebuilds its network: by the settings, then the weights."""
    settings = json.loads((folder / "config.json").read_text())
    net = nn.Linear(settings["objective"]["width"], 2)
    load_denoiser(folder, net)
    return net


DOMAIN = Domain(
    program="infonoise-toy",
    version="1.2.3",
    command="infonoise-toy train",
    data=lambda settings: Path(settings["data"]).name,
    about=lambda settings: {"width": str(settings["objective"]["width"])},
    use="sample model --out x.png",
    tags=("infonoise", "toy"),
    open=opened,
    keep=("words.txt", "not-in-every-run.txt"),
)


def make_run(out: Path, **changes: Any) -> nn.Linear:
    """A run of seven updates as `train` leaves it; returns its average, in bfloat16."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Linear(3, 2).bfloat16()
    settings = {
        "command": DOMAIN.command,
        "data": f"{SECRET}/pictures",
        "schedule": "infonoise",
        "objective": {"width": 3},
        "train": {"updates": 7, "batch": 8},
        **changes,
    }
    write_json(out / "config.json", settings)
    (out / "config.yaml").write_text(f"data: {SECRET}/pictures\n")
    (out / "words.txt").write_text("a b c")
    parts = {"model": net.state_dict(), "ema": net.state_dict(), "state": {"optimizer": [1.0]}}
    checkpoint.save(out / "checkpoints", 7, parts, {})
    lines = [
        {"step": 5, "evaluate": {"bits": 2.0, "bits_stderr": 0.25, "wild": float("nan")}},
        {"step": 7, "loss": 1.0},
        {"step": 9, "evaluate": {"bits": 1.0}},  # after the last checkpoint: of other weights
    ]
    (out / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    exact_profile(BinarySource(4), 0.02, 80.0).save(out / "profile.json")
    return net


@pytest.fixture
def run(tmp_path: Path) -> Path:
    out = tmp_path / "run"
    make_run(out)
    return out


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub that is logged in to; the real client, whatever the environment says."""
    pytest.importorskip("huggingface_hub")
    utils = importlib.import_module("huggingface_hub.utils")
    constants = importlib.import_module("huggingface_hub.constants")
    with running() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        utils.disable_progress_bars()
        yield hub
        utils.enable_progress_bars()


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def push(run: Path, target: object, **options: bool) -> None:
    push_model(Push(run, str(target), **options), DOMAIN)


def pull(source: object, out: Path, **options: bool) -> None:
    pull_model(Pull(str(source), out, **options), DOMAIN)


def refused(match: str, call: Callable[[], Any]) -> None:
    with pytest.raises(InputError, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)


# What travels


def test_the_averaged_weights_arrive_as_float32(run: Path, tmp_path: Path) -> None:
    push(run, tmp_path / "shared")
    pull(tmp_path / "shared", tmp_path / "new" / "model")
    assert names(tmp_path / "new" / "model") == MODEL_FILES
    weights = load_file(tmp_path / "new" / "model" / "model.safetensors")
    net = make_run(tmp_path / "again")
    assert {w.dtype for w in weights.values()} == {torch.float32}
    for name, value in net.state_dict().items():
        assert torch.equal(weights[name], value.float())
    assert torch.equal(opened(tmp_path / "new" / "model").weight, net.weight.float())


def test_nothing_of_the_machine_or_the_optimizer_travels(run: Path, tmp_path: Path) -> None:
    push(run, tmp_path / "shared")
    for name in MODEL_FILES:
        content = (tmp_path / "shared" / name).read_bytes()
        assert SECRET.encode() not in content
        assert str(tmp_path).encode() not in content
    assert json.loads((tmp_path / "shared" / "config.json").read_text())["data"] == "pictures"
    # Readable by whoever may read the rest.
    modes = {(tmp_path / "shared" / name).stat().st_mode for name in MODEL_FILES}
    assert len(modes) == 1


def test_the_card_says_what_was_measured_when(run: Path, tmp_path: Path) -> None:
    push(run, tmp_path / "shared")
    card = read_card(tmp_path / "shared")
    assert (card["kind"], card["program"], card["step"]) == ("model", "infonoise-toy", 7)
    assert card["parameters"] == 3 * 2 + 2
    assert card["measures"] == {"bits": 2.0, "bits_stderr": 0.25, "wild": None}
    assert card["versions"]["infonoise-toy"] == "1.2.3"
    assert {"infonoise-core", "torch"} <= card["versions"].keys()
    assert card["profile"]["entropy"] == pytest.approx(4 * torch.tensor(2.0).log().item(), rel=1e-3)
    assert card["files"].keys() == MODEL_FILES - {"README.md", "card.json"}
    page = (tmp_path / "shared" / "README.md").read_text()
    assert page.startswith("---\nlibrary_name: infonoise\ntags:\n- infonoise\n- toy\n---\n")
    for line in (
        "# infonoise-toy: pictures", "| width | 3 |", "| updates | 7 of 8 examples |",
        "after 5 updates", "| bits | 2.0000 ± 0.2500 |", "nats per example",
        "    pip install infonoise-toy\n", "    infonoise-toy pull FOLDER --out model\n",
        "    infonoise-toy sample model --out x.png\n", "infonoise-toy 1.2.3",
    ):  # fmt: skip
        assert line in page


def test_a_model_takes_the_place_of_a_run(run: Path, tmp_path: Path, capsys: Any) -> None:
    model = tmp_path / "model"
    push(run, model)
    assert infonoise(["profile", str(model)]) == 0
    pytest.importorskip("rich")
    assert infonoise(["estimate-memory", str(model)]) == 0
    assert "8 parameters" in capsys.readouterr().out
    # But training does not go on: the optimizer's state is not there.
    settings = json.loads((model / "config.json").read_text())
    refused(
        "finished run", lambda: check_run(model, settings, overwrite=False, finished="done.json")
    )


def test_what_was_pulled_is_pushed_on_as_it_is(run: Path, tmp_path: Path) -> None:
    push(run, tmp_path / "first")
    push(tmp_path / "first", tmp_path / "second")
    for name in MODEL_FILES:
        first, second = (tmp_path / folder / name for folder in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_a_run_without_profile_or_evaluation(run: Path, tmp_path: Path) -> None:
    (run / "profile.json").unlink()
    (run / "metrics.jsonl").unlink()
    push(run, tmp_path / "shared")
    assert names(tmp_path / "shared") == MODEL_FILES - {"profile.json"}
    page = (tmp_path / "shared" / "README.md").read_text()
    assert "## Measures" not in page
    assert "nats" not in page
    out = tmp_path / "p.json"
    assert infonoise(["pull", str(tmp_path / "shared"), "--out", str(out)]) == 2
    assert not out.exists()


PATHS = st.lists(st.text("abc-_ ", min_size=1, max_size=5).map(str.strip).filter(bool), min_size=2)


@given(PATHS, st.sampled_from(["/{}", "C:\\{}", "~/{}", "../{}"]))
def test_only_the_last_part_of_a_path_is_told(parts: list[str], form: str) -> None:
    separator = "\\" if "\\" in form else "/"
    path = form.format(separator.join(parts))
    assert without_paths({"deep": [{"data": path}]}) == {"deep": [{"data": parts[-1]}]}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("profile:/home/me/p.json", "profile:p.json"),
        ("windows of /data/set/a.fa and ~/b/c.fa", "windows of a.fa and c.fa"),
        ("hf:owner/name", "hf:owner/name"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("data/pictures", "data/pictures"),
        ("log-normal:-1.2:1.2", "log-normal:-1.2:1.2"),
        ("nats / dim", "nats / dim"),
    ],
)
def test_other_texts_with_slashes_stay(text: str, kept: str) -> None:
    assert without_paths(text) == kept


def test_names_of_classes_are_no_paths() -> None:
    images = {"classes": ["/m/0bt9lf", "/m/04rky"], "shape": [3, 4, 4]}
    assert without_paths(images) == images


# Whole or not at all


@pytest.mark.parametrize("name", sorted(MODEL_FILES - {"README.md", "card.json"}))
def test_damage_is_found_by_the_checksum(name: str, run: Path, tmp_path: Path) -> None:
    push(run, tmp_path / "shared")
    path = tmp_path / "shared" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    refused(f"{name} does not match its sha256", lambda: pull(tmp_path / "shared", tmp_path / "m"))
    path.unlink()
    refused(f"{name} is missing", lambda: pull(tmp_path / "shared", tmp_path / "m"))
    assert {p.name for p in tmp_path.iterdir()} == {"run", "shared"}


def test_weights_that_were_damaged_after_the_pull_are_found(run: Path, tmp_path: Path) -> None:
    push(run, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    refused("model.safetensors does not match", lambda: opened(tmp_path / "model"))


def test_a_page_may_be_edited(run: Path, tmp_path: Path) -> None:
    push(run, tmp_path / "shared")
    (tmp_path / "shared" / "README.md").write_text("Mine.")
    pull(tmp_path / "shared", tmp_path / "model")
    assert (tmp_path / "model" / "README.md").read_text() == "Mine."


def card_of(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **changes}))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format": "other"}, "is damaged, or not of infonoise"),
        ({"files": ["model.safetensors"]}, "is damaged, or not of infonoise"),
        ({"files": {"../evil": "0"}}, "is damaged, or not of infonoise"),
        ({"files": {"/etc/evil": "0"}}, "is damaged, or not of infonoise"),
        ({"files": {"C:evil": "0"}}, "is damaged, or not of infonoise"),
        ({"kind": "poem"}, "is damaged, or not of infonoise"),
        ({"version": 2}, "format version 2, this program reads 1"),
        ({"program": "infonoise-other"}, "a model of infonoise-other; use infonoise-other"),
        ({"kind": "profile"}, "holds a profile alone; fetch it with: infonoise pull"),
    ],
)
def test_what_is_no_model_of_ours(
    changes: dict[str, Any], match: str, run: Path, tmp_path: Path
) -> None:
    push(run, tmp_path / "shared")
    card_of(tmp_path / "shared", **changes)
    refused(match, lambda: pull(tmp_path / "shared", tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_settings_of_another_version(run: Path, tmp_path: Path) -> None:
    push(run, tmp_path / "shared")

    def newer(folder: Path) -> nn.Module:
        raise TypeError("unexpected keyword argument 'width'")

    match = "infonoise-toy 1.2.3 cannot open this, which was made by infonoise-toy 1.2.3"
    domain = replace(DOMAIN, open=newer)
    config = Pull(str(tmp_path / "shared"), tmp_path / "model")
    refused(match, lambda: pull_model(config, domain))
    assert not (tmp_path / "model").exists()


def test_weights_of_another_network(run: Path, tmp_path: Path) -> None:
    push(run, tmp_path / "model")
    refused(
        "is not of the network in its settings; use infonoise-toy 1.2.3",
        lambda: load_weights(tmp_path / "model", nn.Linear(4, 2)),
    )


def test_a_push_that_fails_leaves_nothing(run: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "other", objective={"width": 4})
    refused("not of the network", lambda: push(tmp_path / "other", tmp_path / "shared"))
    assert {p.name for p in tmp_path.iterdir()} == {"run", "other"}
    push(run, tmp_path / "shared")
    before = {name: (tmp_path / "shared" / name).read_bytes() for name in MODEL_FILES}
    refused(
        "not of the network", lambda: push(tmp_path / "other", tmp_path / "shared", overwrite=True)
    )
    assert {name: (tmp_path / "shared" / name).read_bytes() for name in MODEL_FILES} == before


def test_only_what_was_pushed_is_replaced(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "shared"
    target.mkdir()
    push(run, target)  # empty, so free
    refused("exists: give another folder or --overwrite", lambda: push(run, target))
    (target / "evaluation.json").write_text("{}")
    push(run, target, overwrite=True)
    assert names(target) == MODEL_FILES
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    refused("no push or pull wrote it", lambda: push(run, mine, overwrite=True))
    refused("no push or pull wrote it", lambda: push(run, run, overwrite=True))
    refused("is a file", lambda: push(run, mine / "thesis.txt"))
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


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda p: push(p / "none", p / "t"), "no run here"),
        (lambda p: pull(p / "none", p / "t"), "no card.json there; give what a push wrote"),
        (lambda p: pull(p / "run", p / "t"), "no card.json there; give what a push wrote"),
        (lambda p: push(p / "run", p / "t", private=True), "--private is for the hub"),
        (lambda p: push(p / "run", "hf:name"), "hf:name: give hf:OWNER/NAME"),
        (lambda p: push(p / "run", "hf:a/b@main"), "a push has no revision"),
        (lambda p: pull("hf:a/b c", p / "t"), "give hf:OWNER/NAME"),
    ],
)
def test_mistakes(call: Callable[[Path], None], match: str, run: Path, tmp_path: Path) -> None:
    refused(match, lambda: call(tmp_path))
    assert {p.name for p in tmp_path.iterdir()} == {"run"}


def test_a_run_without_checkpoint(run: Path, tmp_path: Path) -> None:
    for path in sorted((run / "checkpoints").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    refused("no checkpoint yet", lambda: push(run, tmp_path / "shared"))


def test_the_command_line_says_it_in_one_line(run: Path, tmp_path: Path, capsys: Any) -> None:
    commands: Mapping[str, command.Command] = {
        "push": (Push, lambda config: push_model(config, DOMAIN)),
        "pull": (Pull, lambda config: pull_model(config, DOMAIN)),
    }
    shared, model = str(tmp_path / "shared"), str(tmp_path / "model")
    assert command.run("infonoise-toy", "1", commands, ["push", str(run), shared]) == 0
    assert command.run("infonoise-toy", "1", commands, ["pull", shared, "--out", model]) == 0
    assert "7 updates, by infonoise-toy 1.2.3, from" in capsys.readouterr().out
    assert command.run("infonoise-toy", "1", commands, ["pull", shared, "--out", model]) == 2
    assert re.fullmatch(r"error: [^\n]+--overwrite\n", capsys.readouterr().err)


# A profile alone


def test_a_profile_travels_with_its_error_bars(run: Path, tmp_path: Path, capsys: Any) -> None:
    shared, out = tmp_path / "shared", tmp_path / "new" / "p.json"
    assert infonoise(["push", str(run), str(shared)]) == 0
    assert names(shared) == {"README.md", "card.json", "profile.json"}
    assert infonoise(["pull", str(shared), "--out", str(out)]) == 0
    assert out.read_bytes() == (run / "profile.json").read_bytes()
    assert torch.equal(
        EntropyRateProfile.load(out).stderr, EntropyRateProfile.load(run / "profile.json").stderr
    )
    assert "pip install 'infonoise-core[cli,plot]'" in (shared / "README.md").read_text()
    assert infonoise(["pull", str(shared), "--out", str(out)]) == 2
    assert infonoise(["push", str(out), str(shared)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == err.count("error: ") == err.count("--overwrite") == 2
    assert infonoise(["push", str(out), str(shared), "--overwrite"]) == 0
    assert infonoise(["pull", str(shared), "--out", str(out), "--overwrite"]) == 0


def test_a_model_gives_its_profile(run: Path, tmp_path: Path) -> None:
    push(run, tmp_path / "shared")
    # The weights are not looked at: of a hub they would not be fetched.
    (tmp_path / "shared" / "model.safetensors").unlink()
    out = tmp_path / "p.json"
    assert infonoise(["pull", str(tmp_path / "shared"), "--out", str(out)]) == 0
    assert out.read_bytes() == (run / "profile.json").read_bytes()


# The hub


def test_there_and_back_over_the_hub(run: Path, tmp_path: Path, hub: Hub, capsys: Any) -> None:
    push(run, "hf:me/toy")
    assert "hf:me/toy: pushed to" in capsys.readouterr().out
    assert hub.files("me/toy").keys() == MODEL_FILES | {".gitattributes"}
    assert len(hub.commits["me/toy"]) == 2  # made, and filled at once
    page = hub.files("me/toy")["README.md"].decode()
    assert "pip install 'infonoise-toy[hub]'" in page
    assert "infonoise-toy pull hf:me/toy --out model" in page
    pull("hf:me/toy", tmp_path / "model")
    assert names(tmp_path / "model") == MODEL_FILES
    push(run, tmp_path / "shared")
    for name in MODEL_FILES - {"README.md"}:
        model, shared = (tmp_path / folder / name for folder in ("model", "shared"))
        assert model.read_bytes() == shared.read_bytes()


def test_a_profile_comes_without_the_weights(run: Path, tmp_path: Path, hub: Hub) -> None:
    push(run, "hf:me/toy")
    hub.requests.clear()
    assert infonoise(["pull", "hf:me/toy", "--out", str(tmp_path / "p.json")]) == 0
    assert (tmp_path / "p.json").read_bytes() == (run / "profile.json").read_bytes()
    assert not [line for line in hub.requests if "safetensors" in line]
    assert infonoise(["push", str(run), "hf:me/profile", "--private"]) == 0
    assert hub.files("me/profile").keys() == {
        ".gitattributes", "README.md", "card.json", "profile.json",
    }  # fmt: skip
    assert hub.private == {"me/profile"}


def test_a_revision_is_fetched(run: Path, tmp_path: Path, hub: Hub, capsys: Any) -> None:
    push(run, "hf:me/toy")
    (run / "words.txt").write_text("other")
    push(run, "hf:me/toy", overwrite=True)
    pull("hf:me/toy", tmp_path / "new")
    new = capsys.readouterr().out
    assert (tmp_path / "new" / "words.txt").read_text() == "other"
    # The commit that was fetched is told, and can be asked for.
    (old,) = [c for c in revisions(hub) if f"@{c}" not in new and "card.json" in commit(hub, c)]
    pull(f"hf:me/toy@{old}", tmp_path / "old")
    assert (tmp_path / "old" / "words.txt").read_text() == "a b c"
    refused("no such revision", lambda: pull("hf:me/toy@v9", tmp_path / "none"))


def revisions(hub: Hub) -> list[str]:
    from .fake_hub import sha

    return [sha("me/toy", i) for i in range(len(hub.commits["me/toy"]))]


def commit(hub: Hub, revision: str) -> dict[str, bytes]:
    return hub.commits["me/toy"][revisions(hub).index(revision)]


def test_a_push_replaces_the_whole_when_asked(run: Path, hub: Hub) -> None:
    push(run, "hf:me/toy")
    refused("hf:me/toy exists", lambda: push(run, "hf:me/toy"))
    hub.files("me/toy")["stale.txt"] = b"x"
    push(run, "hf:me/toy", overwrite=True)
    assert hub.files("me/toy").keys() == MODEL_FILES | {".gitattributes"}
    hub.commits["me/thesis"] = [{"thesis.txt": b"x"}]
    refused("files that no push wrote", lambda: push(run, "hf:me/thesis", overwrite=True))
    assert hub.files("me/thesis") == {"thesis.txt": b"x"}
    # Made by hand on the hub's page, and empty.
    hub.commits["me/empty"] = [{".gitattributes": b"", "README.md": b"soon"}]
    push(run, "hf:me/empty")
    assert b"soon" not in hub.files("me/empty")["README.md"]


def test_damage_on_the_hub_is_found(run: Path, tmp_path: Path, hub: Hub) -> None:
    push(run, "hf:me/toy")
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
    run: Path, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused("no such repository", lambda: pull("hf:me/none", tmp_path / "model"))
    hub.failing = "commit"
    refused("hf:me/toy: .*out of order.*; try again later", lambda: push(run, "hf:me/toy"))
    assert "card.json" not in hub.files("me/toy")
    hub.failing = ""
    push(run, "hf:me/toy", private=True)  # what the failed push made is free
    monkeypatch.setenv("HF_TOKEN", "hf_of_another")
    refused("the hub refuses this token", lambda: push(run, "hf:you/toy"))
    monkeypatch.delenv("HF_TOKEN")
    refused("not logged in to the hub; log in", lambda: push(run, "hf:me/toy"))


def test_no_network_is_one_line(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    refused("cannot be reached", lambda: pull("hf:me/toy", tmp_path / "model"))


def test_without_the_library_the_extra_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    wanted = re.escape("pip install 'infonoise-toy[hub]'")
    refused(wanted, lambda: push(run, "hf:me/toy"))
    refused(wanted, lambda: pull("hf:me/toy", tmp_path / "model"))
    push(run, tmp_path / "shared")  # a folder needs none of it


def test_names_of_repositories() -> None:
    found = repository("hf:me/to-y_1.0@v2", "infonoise-toy")
    assert found is not None
    assert (found.name, found.revision, str(found)) == ("me/to-y_1.0", "v2", "hf:me/to-y_1.0@v2")
    assert repository("some/folder", "infonoise-toy") is None
