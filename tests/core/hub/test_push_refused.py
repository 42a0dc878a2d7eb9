"""What push and pull refuse, in one line that says why."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from infonoise_core.app import command
from infonoise_core.app.push import pull_model, push_model
from infonoise_core.hub.options import Pull, Push
from infonoise_core.training.artifact import load_weights

from ..toy_domain import DOMAIN, pull, push, refused


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
    changes: dict[str, Any], match: str, toy_run: Path, tmp_path: Path
) -> None:
    push(toy_run, tmp_path / "shared")
    card_of(tmp_path / "shared", **changes)
    refused(match, lambda: pull(tmp_path / "shared", tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_settings_of_another_version(toy_run: Path, tmp_path: Path) -> None:
    push(toy_run, tmp_path / "shared")

    def newer(folder: Path) -> nn.Module:
        raise TypeError("unexpected keyword argument 'width'")

    match = "infonoise-toy 2.0.0 cannot open this, which was made by infonoise-toy 1.2.3"
    domain = replace(DOMAIN, version="2.0.0", open=newer)
    config = Pull(str(tmp_path / "shared"), tmp_path / "model")
    refused(match, lambda: pull_model(config, domain))
    assert not (tmp_path / "model").exists()


def test_weights_of_another_network(toy_run: Path, tmp_path: Path) -> None:
    push(toy_run, tmp_path / "model")
    refused(
        "is not of the network in its settings; use infonoise-toy 1.2.3",
        lambda: load_weights(tmp_path / "model", nn.Linear(4, 2)),
    )


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
def test_mistakes(call: Callable[[Path], None], match: str, toy_run: Path, tmp_path: Path) -> None:
    refused(match, lambda: call(tmp_path))
    assert {p.name for p in tmp_path.iterdir()} == {"run"}


def test_a_run_without_checkpoint(toy_run: Path, tmp_path: Path) -> None:
    for path in sorted((toy_run / "checkpoints").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    refused("no checkpoint yet", lambda: push(toy_run, tmp_path / "shared"))


def test_the_command_line_says_it_in_one_line(toy_run: Path, tmp_path: Path, capsys: Any) -> None:
    commands: Mapping[str, command.Command] = {
        "push": (Push, lambda config: push_model(config, DOMAIN)),
        "pull": (Pull, lambda config: pull_model(config, DOMAIN)),
    }
    shared, model = str(tmp_path / "shared"), str(tmp_path / "model")
    assert command.run("infonoise-toy", "1", commands, ["push", str(toy_run), shared]) == 0
    assert command.run("infonoise-toy", "1", commands, ["pull", shared, "--out", model]) == 0
    assert "7 steps, by infonoise-toy 1.2.3, from" in capsys.readouterr().out
    assert command.run("infonoise-toy", "1", commands, ["pull", shared, "--out", model]) == 2
    assert re.fullmatch(r"error: [^\n]+--overwrite\n", capsys.readouterr().err)
