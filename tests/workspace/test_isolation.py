"""What importing core brings into a process, seen from a fresh one."""

import subprocess
import sys

import pytest

EXTRAS = {
    "accelerate",
    "deepspeed",
    "diffusers",
    "huggingface_hub",
    "jinja2",
    "lightning",
    "matplotlib",
    "rich",
    "safetensors",
    "sklearn",
    "tqdm",
    "tyro",
    "yaml",
}
DOMAINS = {"infonoise_vision", "infonoise_text", "infonoise_bio"}

# Behind these doors the extras may be imported.
DOORS = tuple(
    f"infonoise_core.{room}"
    for room in ("app", "commands", "config", "hub", "integrations", "plot", "training")
)

LIST_MODULES = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"

# Imports every module of core outside the doors, in a process where the extras cannot be found.
IMPORT_WITHOUT_EXTRAS = """
import importlib, pkgutil, sys
extras, doors = {extras!r}, {doors!r}

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in extras:
            raise ModuleNotFoundError(f"hidden: {{name}}", name=name)

sys.meta_path.insert(0, Hide())
import infonoise_core
names = [m.name for m in pkgutil.walk_packages(infonoise_core.__path__, "infonoise_core.")]
for name in names:
    if not name.startswith(doors) and name != "infonoise_core.__main__":
        importlib.import_module(name)
        print(name)
"""


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return set(run_python("import infonoise_core; " + LIST_MODULES).split())


def test_core_loads_no_extra(loaded):
    assert "infonoise_core" in loaded
    # torch takes along what it finds of these, tqdm for one.
    torch_alone = set(run_python("import numpy, torch; " + LIST_MODULES).split())
    assert not (loaded - torch_alone) & EXTRAS


def test_core_loads_no_domain(loaded):
    assert not loaded & DOMAINS


def test_core_needs_no_extra():
    imported = run_python(IMPORT_WITHOUT_EXTRAS.format(extras=EXTRAS, doors=DOORS)).split()
    assert "infonoise_core.processes.channel" in imported
