"""A run to push, and a hub to push it to."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from .fake_hub import TOKEN, Hub, running
from .toy_domain import make_run


@pytest.fixture
def toy_run(tmp_path: Path) -> Path:
    """A run of the toy domain, in the folder `run` and alone there."""
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
