"""Runs that an older release cut short go on today and end as they would have ended then."""

import hashlib
import importlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from infonoise_bio.models import options as dna
from infonoise_core.schedules.registry import ScheduleContext, make_schedule
from infonoise_core.training import checkpoint
from infonoise_core.training.loop import train
from infonoise_text.models import config as text_sizes
from infonoise_vision.models import options, registry

from .runs import (
    BATCH,
    COMMANDS,
    CUT,
    SAVE_EVERY,
    SCHEDULES,
    STEPS,
    Ring,
    context,
    processor,
    settings,
)

FIXTURE = Path(__file__).parent / "fixture"
OPTIONS = [
    "--steps", str(STEPS), "--batch-size", str(BATCH), "--save-every", str(SAVE_EVERY),
    "--log-every", "4", "--eval-every", "0", "--keep", "1", "--device", "cpu",
]  # fmt: skip
# Bits are those of one kind of processor and one release of torch and numpy. Elsewhere rounding
# differs, by about 1e-7 a step; Adam divides by the root of small second moments, which makes more
# of it. What is lost of a state (a moment, a place in the data, a density) moves weights about as
# far as the steps since the cut did, so a hundredth of that way tells the two apart.
SAME = json.loads((FIXTURE / "processor.json").read_text()) == processor()
WAY, NUMBER = 1e-2, 1e-3
# Measures are sums of float64 over examples, which a release may add up in another order. What is
# summed is float32, and machines whose processors bear one name round what a network answers
# differently: 2.5e-8 of a bound was seen, with all weights the same. One unit of float32.
MEASURE = 2.0**-23


@pytest.fixture(autouse=True)
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "NETWORKS", (*options.NETWORKS, "fixture"))
    monkeypatch.setitem(registry.NETWORKS, "fixture", registry.dit(8, 1, 2))
    tiny = text_sizes.TrunkConfig(width=8, blocks=1, heads=2)
    monkeypatch.setitem(text_sizes.PRESETS, "fixture", tiny)
    monkeypatch.setitem(dna.SIZES, "fixture", {"cnn": (8, 1)})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the data of the cut runs lie, by the names their settings have."""
    shutil.copytree(FIXTURE / "corpus", tmp_path / "corpus")
    shutil.copy(FIXTURE / "dna.fasta", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_goes_on_to_the_same_bits(name: str, folder: Path) -> None:
    shutil.copytree(FIXTURE / "runs" / name, folder / "cut")
    domain, own = COMMANDS[name]
    cli = importlib.import_module(f"infonoise_{domain}.cli")
    assert cli.main(["train", *own, *OPTIONS, "--out", "cut"]) == 0
    check_end(folder / "cut", name)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    shutil.copytree(FIXTURE / "runs" / f"toy-{name}", tmp_path / "cut")
    schedule = make_schedule(name, ScheduleContext(*context()))  # type: ignore[arg-type]
    train(Ring(), schedule, settings(), tmp_path / "cut")
    check_end(tmp_path / "cut", f"toy-{name}")


def test_a_profile_begins_where_an_older_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under a fixed schedule those releases measured none."""
    shutil.copytree(FIXTURE / "runs" / "toy-edm", tmp_path / "cut")
    assert not (tmp_path / "cut" / "profile.json").exists()
    schedule = make_schedule("edm", ScheduleContext(*context()))  # type: ignore[arg-type]
    found = train(Ring(), schedule, settings(), tmp_path / "cut").profiles["profile.json"]
    # The last refresh was at step 20.
    assert float(found.count.sum()) == (20 - CUT) * BATCH
    note = f"the release that trained the first {CUT} steps measured no profile"
    assert capsys.readouterr().err.count(note) == 1


def check_end(run: Path, name: str) -> None:
    """Of everything the old release left at the end, this run left the same; it may hold more."""
    end = json.loads((FIXTURE / "ends" / f"{name}.json").read_text())
    _, parts = checkpoint.load(checkpoint.path_of(run / "checkpoints", STEPS))
    weights = load_file(FIXTURE / "ends" / f"{name}.safetensors")
    cut = checkpoint.path_of(FIXTURE / "runs" / name / "checkpoints", CUT)
    begun = load_file(cut / "ema.safetensors")
    tensors = dict(leaves({part: parts[part] for part in ("model", "ema", "state")}))
    assert set(end["tensors"]) <= set(tensors)
    if SAME:
        other = [at for at, digest in end["tensors"].items() if digest != bits(tensors[at])]
        assert not other
    for key, expected in weights.items():
        moved = (expected - begun[f"/{key}"]).double().norm()
        assert (parts["ema"][key] - expected).double().norm() <= (0 if SAME else WAY * moved), key
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) >= len(end["metrics"])
    for line in end["metrics"]:
        tolerance = MEASURE if "evaluate" in line else 0.0
        assert any(holds(found, line, tolerance) for found in lines), line
    for file, profile in end["profiles"].items():
        assert holds(json.loads((run / file).read_text()), profile), file


def leaves(tree: Any, at: str = "") -> list[tuple[str, torch.Tensor]]:
    """Tensors of a tree by their place, as `make.py` names them."""
    if isinstance(tree, torch.Tensor):
        return [(at, tree)]
    if isinstance(tree, dict):
        pairs = list(tree.items())
    else:
        pairs = list(enumerate(tree)) if isinstance(tree, (list, tuple)) else []
    return [leaf for k, v in pairs for leaf in leaves(v, f"{at}/{k}" if at else str(k))]


def bits(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


def holds(found: Any, expected: Any, tolerance: float = 0.0) -> bool:
    """Whether `found` has all numbers of `expected`; what it has beside them, and words (which a
    release may change), do not matter.
    """
    match expected:
        case dict():
            known = isinstance(found, dict) and set(expected) <= set(found)
            return known and all(holds(found[k], v, tolerance) for k, v in expected.items())
        case list():
            alike = isinstance(found, list) and len(found) == len(expected)
            return alike and all(
                holds(f, e, tolerance) for f, e in zip(found, expected, strict=True)
            )
        case bool() | int() | float():
            if not isinstance(found, (int, float)):
                return False
            return math.isclose(found, expected, rel_tol=tolerance if SAME else NUMBER)
        case str() if expected not in ("nan", "inf"):
            return isinstance(found, str)
        case _:
            return bool(found == expected)
