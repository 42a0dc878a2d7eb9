"""Check an environment with one package, what it declares, and nothing else of ours.

Usage: python -I tools/check_alone.py infonoise-vision

Imports every module of the package and of core, but for integrations whose library is not here;
runs each of their commands with --help; and trains a few updates and samples. Of core alone, the
modules that need no extra, a loop of one's own, and what its command says without its extra.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path

CORE = "infonoise-core"
PACKAGES = (CORE, "infonoise-vision", "infonoise-text", "infonoise-bio")
# What core imports more than numpy and torch for.
DOORS = ("training", "plot", "cli", "integrations", "__main__")

QUICK = "--steps 4 --batch-size 4 --save-every 4 --eval-every 0 --out run"
JOBS = {
    "infonoise-vision": (
        f"train digits {QUICK}",
        "sample run --samples 2 --steps 2 --grid karras --out images.png",
    ),
    "infonoise-text": (
        f"train text.txt --vocab-size 300 --network tiny --length 12 {QUICK}",
        "sample run --n 2 --steps 2 --grid karras --out texts.jsonl",
    ),
    "infonoise-bio": (
        f"train planted --strand forward {QUICK}",
        "sample run --n 2 --steps 2 --grid karras --churn 0 --out designs.fa",
    ),
}
MADE = {
    "infonoise-vision": "images.png",
    "infonoise-text": "texts.jsonl",
    "infonoise-bio": "designs.fa",
}
LOOP = """
import torch
from infonoise_core import InfoNoise, VarianceExploding, entropic_grid, solve, unit_weight

torch.manual_seed(0)
schedule = InfoNoise(
    VarianceExploding(0.02, 20.0), weight=unit_weight(), dim=4, warmup_steps=5, refresh_every=5
)
for _ in range(20):
    x0 = torch.randint(0, 2, (64, 4)).float() - 0.5
    sigma = schedule.sample(len(x0))
    x = x0 + sigma[:, None] * torch.randn_like(x0)
    denoised = 0.5 * (x / (2 * sigma[:, None] ** 2)).tanh()
    schedule.observe(sigma, (denoised - x0).square().sum(1))
    schedule.step()
grid = entropic_grid(schedule.profile(), 4, 0.05, 10.0)
noise = grid[0].float() * torch.randn(2, 4)
found = solve(lambda x, s: 0.5 * (x / (2 * s[:, None] ** 2)).tanh(), noise, grid)
assert found.x.shape == (2, 4)
"""


class Wrong(Exception):
    """What is not as it should be, in one line."""


def is_importable(name: str, *, extras: bool) -> bool:
    """Whether a module is meant to import here: integrations and pipelines name their library."""
    parts = name.split(".")
    if not extras and parts[1] in DOORS:
        return False
    library = parts[-1].removesuffix("_pipeline")
    if len(parts) > 2 and (parts[-2] == "integrations" or library != parts[-1]):
        return importlib.util.find_spec(library) is not None
    return parts[-1] != "__main__"


def import_every_module(package: str, *, extras: bool) -> int:
    """Import the modules of an installed package and return how many they were."""
    root = importlib.import_module(package)
    # Walking imports packages, also those that need an extra: by the files instead.
    finder = pkgutil.walk_packages if extras else pkgutil.iter_modules
    names = [module.name for module in finder(root.__path__, package + ".")]
    importable = [name for name in names if is_importable(name, extras=extras)]
    for name in importable:
        importlib.import_module(name)
    return 1 + len(importable)


def call(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, which is its home too; nothing of the user's is read."""
    keep = {k: os.environ[k] for k in ("PATH", "OMP_NUM_THREADS", "SYSTEMROOT") if k in os.environ}
    env = {**keep, "HOME": str(folder), "INFONOISE_CACHE": str(folder / "cache")}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def must(command: Sequence[str | Path], folder: Path) -> None:
    """Run a command that has to succeed."""
    done = call(command, folder)
    if done.returncode:
        words = " ".join(str(word) for word in command)
        raise Wrong(f"{words}: exit code {done.returncode}: {done.stderr[-600:]}")


def script(name: str) -> Path:
    """Where a command of this environment lies."""
    return Path(sysconfig.get_path("scripts"), name)


def run_commands(package: str, folder: Path) -> list[str]:
    """Run each command that a distribution installs with --help and return their names."""
    commands = distribution(package).entry_points.select(group="console_scripts").names
    for command in sorted(commands):
        must([script(command), "--help"], folder)
    return sorted(commands)


def run_job(package: str, folder: Path) -> None:
    """Train a few updates and sample; Wrong unless the samples are there."""
    lines = (f"line {i} of a text with {i * i} and {i % 7} in it\n" for i in range(400))
    (folder / "text.txt").write_text("".join(lines))
    for words in JOBS[package]:
        must([script(package), *words.split()], folder)
    if not (folder / MADE[package]).is_file():
        raise Wrong(f"{package} sample: wrote no {MADE[package]}")


def check_domain(package: str, folder: Path) -> None:
    """A domain package and core."""
    for name in (CORE, package):
        count = import_every_module(name.replace("-", "_"), extras=True)
        commands = ", ".join(run_commands(name, folder)) or "none"
        print(f"{name}: {count} modules imported; commands: {commands}")
    run_job(package, folder)
    print(f"{package}: trained and sampled")


def check_core(folder: Path) -> None:
    """Core with numpy and torch."""
    count = import_every_module(CORE.replace("-", "_"), extras=False)
    must([sys.executable, "-I", "-c", LOOP], folder)
    refused = call([script("infonoise"), "--help"], folder)
    if refused.returncode != 2 or "pip install 'infonoise-core[cli]'" not in refused.stderr:
        raise Wrong(f"infonoise without its extra: {refused.stderr[-600:]}")
    print(f"{CORE}: {count} modules imported; a loop trained and sampled; its command names [cli]")


def main(argv: list[str]) -> int:
    """Check the package named on the command line; 0 if all is well, 2 if the call is wrong."""
    if len(argv) != 1 or argv[0] not in PACKAGES:
        print(f"error: name one of {', '.join(PACKAGES)}", file=sys.stderr)
        return 2
    here = {CORE, argv[0]}
    for package in PACKAGES:
        installed = importlib.util.find_spec(package.replace("-", "_")) is not None
        if installed != (package in here):
            state = "is" if installed else "is not"
            print(f"error: {package} {state} installed here", file=sys.stderr)
            return 1
    with tempfile.TemporaryDirectory() as folder:
        try:
            if argv[0] == CORE:
                check_core(Path(folder))
            else:
                check_domain(argv[0], Path(folder))
        except Wrong as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
