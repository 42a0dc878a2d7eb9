"""The packages as they are shipped, built once."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def load(name: str) -> ModuleType:
    """A module of tools, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def install() -> ModuleType:
    """tools/check_install.py"""
    return load("check_install")


@pytest.fixture(scope="session")
def alone() -> ModuleType:
    """tools/check_alone.py"""
    return load("check_alone")


@pytest.fixture(scope="session")
def index(install: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels and source archives of all packages, as a package index would have them.

    Built by the installed hatchling: no isolation, no network.
    """
    folder = tmp_path_factory.mktemp("index")
    for package in install.PACKAGES:
        install.build(package, folder)
    return folder
