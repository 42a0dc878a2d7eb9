"""What every bench command shares: run its sections, write JSON, and the page made from it.

python tools/bench/core.py
python tools/bench/core.py --quick --out /tmp/bench
python tools/bench/core.py --only cost
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

import infonoise_bio
import infonoise_core
import infonoise_text
import infonoise_vision
from infonoise_core.errors import InputError
from infonoise_core.files import write_json
from render import write_page
from report import Section, render, to_json

SEED = 0
# Where finished sections and comparisons stay; git ignores it.
WORK = Path("infonoise-bench")
# Says what is being done.
Tick = Callable[[str], None]


@dataclass(frozen=True)
class Suite:
    """One bench command.

    Attributes:
        name: Of its files in docs/benchmarks, and of `hatch run bench:NAME`.
        sections: Name -> (quick, seed, tick) -> what was measured.
        threaded: Sections whose tensors are large enough for more than one thread.
    """

    name: str
    title: str
    sections: Mapping[str, Callable[[bool, int, Tick], Section]]
    threaded: frozenset[str] = field(default_factory=frozenset)

    def measure(
        self, names: list[str], quick: bool, seed: int = SEED, resume: bool = False
    ) -> dict[str, Any]:
        """Run the sections of these names; plain JSON types.

        Args:
            resume: Read those that were finished before.
        """
        threads = torch.get_num_threads()
        sections = {}
        with _progress() as progress:
            for name in names:
                line = progress.add_task(name, total=1, doing="")
                finished = WORK / f"{self.name}-{name}{'-quick' if quick else ''}.json"
                if resume and finished.exists():
                    sections[name] = json.loads(finished.read_text())
                else:
                    torch.set_num_threads(threads if name in self.threaded else 1)
                    try:
                        found = self.sections[name](quick, seed, _ticker(progress, line))
                    finally:
                        torch.set_num_threads(threads)
                    sections[name] = to_json(found)
                    write_json(finished, sections[name])
                missed = [goal["what"] for goal in sections[name]["goals"] if not goal["met"]]
                verdict = f"missed: {'; '.join(missed)}" if missed else "all goals met"
                progress.update(line, completed=1, doing=verdict)
        return {
            "title": self.title,
            "command": f"hatch run bench:{self.name}",
            "quick": quick,
            "seed": seed,
            "threads": threads if self.threaded else 1,
            "versions": _versions(),
            "sections": sections,
        }

    def write(self, results: dict[str, Any], out: Path) -> None:
        """NAME.json, and NAME.md with its pictures made from it."""
        text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{self.name}.json").write_text(text)
        write_page(out / f"{self.name}.json")

    def main(self) -> None:
        """Measure, and write both files; with --only print instead."""
        options = self._options()
        try:
            names = list(self.sections) if options.only is None else self._names(options.only)
            results = self.measure(names, options.quick, resume=options.resume)
            if options.only is None:
                self.write(results, options.out)
            else:
                print(render(results), end="")
        except InputError as error:
            sys.exit(_fail(str(error)))
        except OSError as error:
            sys.exit(_fail(f"{options.out}: {error.strerror}; give another --out"))

    def _options(self) -> argparse.Namespace:
        parser = argparse.ArgumentParser(description=self.title)
        parser.add_argument("--quick", action="store_true", help="few draws: does it run?")
        parser.add_argument(
            "--out", type=Path, default=Path("docs/benchmarks"),
            help=f"folder for {self.name}.json and {self.name}.md",
        )  # fmt: skip
        parser.add_argument(
            "--only", metavar="SECTIONS",
            help=f"print these, comma-separated, and write nothing: {', '.join(self.sections)}",
        )  # fmt: skip
        parser.add_argument(
            "--resume", action="store_true",
            help=f"take sections that were finished before from {WORK}, which stays beside",
        )  # fmt: skip
        return parser.parse_args()

    def _names(self, text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in self.sections]
        if unknown:
            raise InputError(
                f"--only {', '.join(unknown)}: give some of {', '.join(self.sections)}"
            )
        return names


def _ticker(progress: Progress, line: TaskID) -> Tick:
    return lambda text: progress.update(line, doing=text)


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def _versions() -> dict[str, str]:
    return {
        "infonoise-core": infonoise_core.__version__,
        "infonoise-vision": infonoise_vision.__version__,
        "infonoise-text": infonoise_text.__version__,
        "infonoise-bio": infonoise_bio.__version__,
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
