"""push and pull of a profile alone, without a model."""

from pathlib import Path
from typing import Any

import torch

from infonoise_core import EntropyRateProfile
from infonoise_core.commands.cli import main as infonoise

from ..fake_hub import Hub
from ..toy_domain import names, push


def test_a_profile_travels_with_its_error_bars(toy_run: Path, tmp_path: Path, capsys: Any) -> None:
    shared, out = tmp_path / "shared", tmp_path / "new" / "p.json"
    assert infonoise(["push", str(toy_run), str(shared)]) == 0
    assert names(shared) == {"README.md", "card.json", "profile.json"}
    assert infonoise(["pull", str(shared), "--out", str(out)]) == 0
    assert out.read_bytes() == (toy_run / "profile.json").read_bytes()
    assert torch.equal(
        EntropyRateProfile.load(out).stderr,
        EntropyRateProfile.load(toy_run / "profile.json").stderr,
    )
    assert "pip install 'infonoise-core[cli,plot]'" in (shared / "README.md").read_text()
    assert infonoise(["pull", str(shared), "--out", str(out)]) == 2
    assert infonoise(["push", str(out), str(shared)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == err.count("error: ") == err.count("--overwrite") == 2
    assert infonoise(["push", str(out), str(shared), "--overwrite"]) == 0
    assert infonoise(["pull", str(shared), "--out", str(out), "--overwrite"]) == 0


def test_a_model_gives_its_profile(toy_run: Path, tmp_path: Path) -> None:
    push(toy_run, tmp_path / "shared")
    # The weights are not looked at: of a hub they would not be fetched.
    (tmp_path / "shared" / "model.safetensors").unlink()
    out = tmp_path / "p.json"
    assert infonoise(["pull", str(tmp_path / "shared"), "--out", str(out)]) == 0
    assert out.read_bytes() == (toy_run / "profile.json").read_bytes()


def test_a_profile_comes_without_the_weights(toy_run: Path, tmp_path: Path, hub: Hub) -> None:
    push(toy_run, "hf:me/toy")
    hub.requests.clear()
    assert infonoise(["pull", "hf:me/toy", "--out", str(tmp_path / "p.json")]) == 0
    assert (tmp_path / "p.json").read_bytes() == (toy_run / "profile.json").read_bytes()
    assert not [line for line in hub.requests if "safetensors" in line]
    assert infonoise(["push", str(toy_run), "hf:me/profile", "--private"]) == 0
    assert hub.files("me/profile").keys() == {
        ".gitattributes", "README.md", "card.json", "profile.json",
    }  # fmt: skip
    assert hub.private == {"me/profile"}
