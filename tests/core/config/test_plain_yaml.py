"""Depth costs no time: the library's own grows with the square of it."""

import sys
from pathlib import Path

import pytest
import yaml

from infonoise_core.config.plain_yaml import plain_loader
from infonoise_core.config.tree import ConfigTree
from infonoise_core.config.yaml_file import read_config
from infonoise_core.errors import InputError
from infonoise_core.training.config import TrainConfig


@pytest.fixture
def deep_stack() -> object:
    """As deep as Python may be asked to go."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(limit)


def test_depth_is_refused_whatever_python_would_take(deep_stack: None, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("steps: " + "[" * 900 + "]" * 900)
    with pytest.raises(InputError, match="line 1: nested too deep"):
        read_config(file, ConfigTree(TrainConfig))


def test_what_settings_need_is_read() -> None:
    nested = "[" * 40 + "1" + "]" * 40
    value = yaml.load(nested, plain_loader())
    for _ in range(40):
        (value,) = value
    assert value == 1
