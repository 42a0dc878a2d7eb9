"""The verb `evaluate` of every domain: tables of measures on held-out data."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.app.options import EvaluateOptions
from infonoise_core.app.trained import TrainedRun, data_of, open_trained
from infonoise_core.errors import InputError
from infonoise_core.evaluation.processes import spread
from infonoise_core.evaluation.schema import Evaluated, to_record
from infonoise_core.evaluation.table import print_tables
from infonoise_core.files import check_output, read_json, write_json
from infonoise_core.hub.push import versions_with

# What a file of measures is of, beside the run.
_OF = ("split", "step", "weights", "samples")


def run_evaluate(domain: Domain[Data, Options], command: EvaluateOptions) -> None:
    """Measure, write evaluation.json, print the tables.

    What an earlier evaluation left in the run is replaced; a file of the user's only with
    --overwrite.
    """
    with spread(command.sampler.device) as ranks:
        ranks.share(lambda: _check(domain, command))
        if domain.evaluates_files(command):
            found = ranks.share(lambda: domain.evaluate_files(command))
            if ranks.rank == 0:
                _write(found, command.out, _head_of_files(domain, command))
            return
        run, data = ranks.agree(
            lambda: _opened(domain, command), lambda opened: {"step": opened[0].step}
        )
        found = domain.evaluate(run, data, command)
    if ranks.rank == 0:
        out = command.out or command.run / domain.evaluation_file(command)
        _write(found, out, _head(domain, run, command))


def _check(domain: Domain[Data, Options], command: EvaluateOptions) -> None:
    if command.out is not None:
        check_output(command.out, command.overwrite)
    domain.check_evaluate(command)


def _opened(
    domain: Domain[Data, Options], command: EvaluateOptions
) -> tuple[TrainedRun[Options], Data]:
    run = open_trained(
        domain, command.run, command.sampler.device, command.checkpoint, command.weights
    )
    return run, data_of(domain, run, command.data)


def _write(found: Evaluated, out: Path | None, head: Mapping[str, Any]) -> None:
    """Print what was found, and write it where there is a place for it."""
    for note in found.notes:
        print(note, file=sys.stderr)
    if out is not None:
        _say_replaced(out, head, found.about)
        write_json(out, to_record(found, head))
    print_tables(found.tables)
    if out is not None:
        print(f"{out}: written")


def _head(
    domain: Domain[Data, Options], run: TrainedRun[Options], command: EvaluateOptions
) -> dict[str, Any]:
    """Where the numbers are from."""
    interface = domain.interface
    return {
        "program": interface.program,
        "versions": versions_with({interface.program: interface.version}),
        "run": Path(command.run).resolve().name,
        "step": run.step,
        **({"weights": command.weights} if command.weights != "averaged" else {}),
        "schedule": run.settings["schedule"],
        "data": run.settings[domain.summary_key],
        "split": command.split,
        "samples": command.samples,
    }


def _head_of_files(domain: Domain[Data, Options], command: EvaluateOptions) -> dict[str, Any]:
    """The same of numbers that are no run's."""
    interface = domain.interface
    return {
        "program": interface.program,
        "versions": versions_with({interface.program: interface.version}),
        "files": str(command.run),
        "split": command.split,
    }


def _say_replaced(out: Path, head: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Name what the file there was of, where that is not the same as what takes its place."""
    if not out.exists():
        return
    with suppress(InputError):
        there = read_json(out, "")
        was, now = {k: there.get(k) for k in _OF}, {k: head.get(k) for k in _OF}
        if isinstance(known := there.get("about"), dict):
            both = sorted(known.keys() & about.keys())
            was |= {k: known[k] for k in both}
            now |= {k: about[k] for k in both}
        differs = ", ".join(f"{name} {value}" for name, value in was.items() if value != now[name])
        if differs:
            print(
                f"note: {out} was of {differs} and is replaced; --out keeps both", file=sys.stderr
            )
