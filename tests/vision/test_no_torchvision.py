"""Everything works where torchvision cannot be imported, as where it does not fit torch."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torchmetrics")
CODE = """
import pkgutil, sys
sys.modules["torchvision"] = None
import infonoise_vision
modules = list(pkgutil.walk_packages(infonoise_vision.__path__, "infonoise_vision."))
for module in modules:
    if not module.name.endswith("__main__"):
        __import__(module.name)
assert len(modules) > 30, modules
from infonoise_vision.evaluation.classifier import RECIPE
from infonoise_vision.cli import main
RECIPE["least_steps"] = 5
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_every_module_and_evaluate_do_without_torchvision(runs: Path, tmp_path: Path) -> None:
    options = ["--steps", "2", "--samples", "8", "--cache", str(tmp_path / "cache")]
    command = ["evaluate", str(runs / "plain"), *options, "--out", str(tmp_path / "found.json")]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "fd_clf_8" in done.stdout
    assert (tmp_path / "found.json").exists()
