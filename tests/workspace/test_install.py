"""Each package is built, installed by its wheel with core from a folder, and works there alone."""

import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["infonoise-core", "infonoise-vision", "infonoise-text", "infonoise-bio"]


@pytest.mark.parametrize("package", PACKAGES)
def test_source_archive_builds_the_same_wheel(
    package: str, install: ModuleType, index: Path, tmp_path: Path
) -> None:
    install.check_sdist(package, index, tmp_path)


def test_what_is_declared_is_what_comes_along(install: ModuleType, index: Path) -> None:
    found = {
        package: {dist.metadata["Name"].lower() for dist in install.declared(index, package)}
        for package in PACKAGES
    }
    extras = {"matplotlib", "pyyaml", "rich", "safetensors", "tqdm", "tyro", "huggingface_hub"}
    assert {"numpy", "torch"} <= found["infonoise-core"]
    assert not extras & found["infonoise-core"]
    domains = set(PACKAGES) - {"infonoise-core"}
    # With core[plot,train], but without what only others need.
    users = {
        "sentencepiece": {"infonoise-text"},
        "biopython": {"infonoise-bio"},
        "scikit-learn": {"infonoise-vision", "infonoise-bio"},
    }
    for package in domains:
        assert extras - {"huggingface_hub"} <= found[package]
    for library, wanted in users.items():
        assert {package for package in domains if library in found[package]} == wanted
    assert not [name for names in found.values() for name in names if "infonoise" in name]


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_package_works_alone(
    package: str, install: ModuleType, index: Path, tmp_path: Path
) -> None:
    assert install.check(package, index, tmp_path / "environment") == 0


def test_a_core_outside_the_range_is_not_taken(
    install: ModuleType, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    core = root / "packages" / "infonoise-core"
    ignored = shutil.ignore_patterns("__pycache__", "dist")
    shutil.copytree(ROOT / "packages" / "infonoise-core", core, ignore=ignored)
    literal = core / "src" / "infonoise_core" / "__init__.py"
    literal.write_text(literal.read_text().replace('__version__ = "0.', '__version__ = "9.'))
    newer = tmp_path / "index"
    newer.mkdir()
    (wheel,) = index.glob("infonoise_bio-*.whl")
    shutil.copy(wheel, newer)
    monkeypatch.setattr(install, "ROOT", root)
    install.build("infonoise-core", newer)
    with pytest.raises(RuntimeError, match=r"infonoise-core"):
        install.check("infonoise-bio", newer, tmp_path / "environment")


def test_every_package_has_a_check(install: ModuleType, alone: ModuleType) -> None:
    assert set(alone.JOBS) == set(alone.MADE) == set(alone.PACKAGES) - {"infonoise-core"}
    packages = {path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")}
    assert set(alone.PACKAGES) == set(install.PACKAGES) == set(PACKAGES) == packages
    assert alone.main(["infonoise-none"]) == 2
    assert install.main(["infonoise-none"]) == 2
