"""Regenerate the numbers of docs/benchmarks/core.md: what the core shows, and the goals it misses.

python tools/bench/core.py
python tools/bench/core.py --quick --out /tmp/bench
python tools/bench/core.py --only cost
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

import adversarial
import closed_forms
import cost
import infonoise_core
import infonoise_vision
import readouts
import scale
import solver_paths
import two_ranks
from infonoise_core.errors import InputError
from report import Section, render, to_json

SEED = 0
# (quick, seed, tick) -> what was measured; tick names what is being done.
SECTIONS: Mapping[str, Callable[[bool, int, Callable[[str], None]], Section]] = {
    "closed-forms": closed_forms.section,
    "adversarial": adversarial.section,
    "scale": scale.section,
    "readouts": readouts.section,
    "solvers": solver_paths.section,
    "cost": cost.section,
    "two-processes": two_ranks.section,
}
# The only section whose tensors are large enough for more than one thread.
THREADED = "cost"


def measure(names: list[str], quick: bool, seed: int = SEED) -> dict[str, Any]:
    """Run the sections of these names; plain JSON types."""
    threads = torch.get_num_threads()
    sections = {}
    with _progress() as progress:
        for name in names:
            line = progress.add_task(name, total=1, doing="")
            torch.set_num_threads(threads if name == THREADED else 1)
            try:
                found = SECTIONS[name](quick, seed, _ticker(progress, line))
            finally:
                torch.set_num_threads(threads)
            sections[name] = to_json(found)
            missed = [goal["what"] for goal in sections[name]["goals"] if not goal["met"]]
            verdict = f"missed: {'; '.join(missed)}" if missed else "all goals met"
            progress.update(line, completed=1, doing=verdict)
    return {
        "title": "What the core shows",
        "command": "hatch run bench:core",
        "quick": quick,
        "seed": seed,
        "threads": threads,
        "versions": _versions(),
        "sections": sections,
    }


def _ticker(progress: Progress, line: TaskID) -> Callable[[str], None]:
    return lambda text: progress.update(line, doing=text)


def write(results: dict[str, Any], out: Path) -> None:
    """core.json, and core.md made from it."""
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / "core.json").write_text(text)
    (out / "core.md").write_text(render(json.loads(text)))


def main() -> None:
    """Measure, and write both files; with --only print instead."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few draws: does it run?")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/benchmarks"), help="folder for core.json and core.md"
    )
    parser.add_argument(
        "--only", metavar="SECTIONS",
        help=f"print these, comma-separated, and write nothing: {', '.join(SECTIONS)}",
    )  # fmt: skip
    options = parser.parse_args()
    try:
        names = list(SECTIONS) if options.only is None else _names(options.only)
        results = measure(names, options.quick)
        if options.only is None:
            write(results, options.out)
        else:
            print(render(results), end="")
    except InputError as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        sys.exit(_fail(f"{options.out}: {error.strerror}; give another --out"))


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise InputError(f"--only {', '.join(unknown)}: give some of {', '.join(SECTIONS)}")
    return names


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def _versions() -> dict[str, str]:
    return {
        "infonoise-core": infonoise_core.__version__,
        "infonoise-vision": infonoise_vision.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}"),
        console=Console(stderr=True),
    )


if __name__ == "__main__":
    main()
