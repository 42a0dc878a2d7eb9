"""For all tests: one thread per process, and markers that skip where their need is not met."""

import importlib.util
import os
from pathlib import Path

# The runs use one process per core. Set before anything imports torch; child processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"

# No deadline: tests say nothing about time. The same examples in every run, to repeat a failure.
settings.register_profile("infonoise", deadline=None, derandomize=True)
settings.load_profile("infonoise")


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


NEEDS = {
    "gpu": (_has_gpu, "no CUDA device"),
    "deepspeed": (
        lambda: importlib.util.find_spec("deepspeed") is not None,
        "DeepSpeed is not installed",
    ),
    "data": (DATA.is_dir, "no data folder beside the repository"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--need", action="append", default=[], choices=sorted(NEEDS),
        help="where this need is not met, its tests fail instead of being skipped",
    )  # fmt: skip


def pytest_runtest_setup(item: pytest.Item) -> None:
    needed = item.config.getoption("--need")
    for marker, (is_met, reason) in NEEDS.items():
        if item.get_closest_marker(marker) and not is_met():
            (pytest.fail if marker in needed else pytest.skip)(reason)
