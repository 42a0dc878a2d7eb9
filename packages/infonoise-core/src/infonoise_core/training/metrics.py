"""metrics.jsonl: what a run tells of itself, one line of JSON at a time."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.profile import log_edges
from infonoise_core.schedule import FixedLaw, Schedule
from infonoise_core.training.engine import Engine
from infonoise_core.training.loggers import Logger

# Noise levels at which a density is written down.
_LEVELS = 64
# What is summed on the device between two lines.
_TAKEN, _LOSS, _NORM, _SKIPPED, _IN_A_ROW, _LONGEST = range(6)


class Metrics:
    """The lines of a run's metrics file, and sums on the device between them.

    Every rank holds the lines; rank 0 writes them, and tells its `loggers`.  skip_limit: steps in a
    row without a finite gradient that are borne.
    """

    def __init__(self, path: Path, engine: Engine, skip_limit: int) -> None:
        self._path, self._engine, self._skip_limit = path, engine, skip_limit
        self.loggers: Sequence[Logger] = ()
        self._records: list[dict[str, Any]] = []
        self._sums = torch.zeros(6, device=engine.device)

    def rewind(self, step: int) -> None:
        """Drop the lines after a step: what they tell of is done again."""
        self._records = self._engine.share(lambda: _rewritten(self._path, step))

    def state_dict(self) -> dict[str, Any]:
        """Collective: from now on every rank goes on from the mean over ranks."""
        self._sums = self._engine.mean(self._sums)
        return {"sums": self._sums.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums.copy_(state["sums"])

    def add(self, loss: Tensor, norm: Tensor) -> None:
        """Count an optimizer step, which was skipped if its gradient norm is not finite; waits for
        nothing.
        """
        taken = norm.isfinite()
        skipped = ~taken
        self._sums[_IN_A_ROW] += 1
        self._sums[_IN_A_ROW] *= skipped
        row = torch.stack([taken, loss.float(), norm.float(), skipped])
        row = torch.where(taken | (torch.arange(4, device=row.device) == _SKIPPED), row, 0)
        self._sums[:_IN_A_ROW] += row
        self._sums[_LONGEST] = torch.maximum(self._sums[_LONGEST], self._sums[_IN_A_ROW])

    def log(self, step: int, status: str) -> str:
        """Write the means since the last line; returns them in a few words. InputError after too
        many steps in a row that had to be skipped. Collective.
        """
        taken, loss, norm, skipped, _, longest = self._engine.mean(self._sums).tolist()
        self._sums[:_IN_A_ROW] = 0
        self._sums[_LONGEST] = 0
        if longest >= self._skip_limit:
            raise InputError(
                f"the loss or its gradient was not finite in {longest:.0f} updates in a row before"
                f" step {step}: lower --lr; those updates were skipped, the last checkpoint is"
                " whole"
            )
        record = {"loss": loss / taken, "grad_norm": norm / taken} if taken else {}
        if skipped:
            record["skipped"] = skipped
        self.write(step, {**record, "schedule": status})
        words = f"loss {record['loss']:.4g}" if taken else "no loss"
        return f"{words}, {skipped:.0f} updates skipped" if skipped else words

    def density(self, step: int, schedule: Schedule) -> None:
        """Write the law that noise levels are drawn by, at 64 of them, unless it never changes."""
        if isinstance(schedule, FixedLaw):
            return
        edges = log_edges(schedule.channel.sigma_min, schedule.channel.sigma_max, _LEVELS)
        sigma = (edges[:-1] * edges[1:]).sqrt()
        curve = [[float(f"{v:.4g}") for v in t.tolist()] for t in (sigma, schedule.density(sigma))]
        self.write(step, {"density": {"sigma": curve[0], "density": curve[1]}})

    def write(self, step: int, record: dict[str, Any]) -> None:
        """Append a line."""
        record = {"step": step, **record}
        self._records.append(record)
        if self._engine.rank == 0:
            with self._path.open("a") as file:
                file.write(json.dumps(record) + "\n")
        for logger in self.loggers:
            logger.log(step, record)

    def flush(self) -> None:
        """Bring the lines to the disk."""
        if self._engine.rank == 0:
            with self._path.open("a") as file:
                os.fsync(file.fileno())

    def evaluations(self) -> list[dict[str, float]]:
        """The measures of every evaluation, with its `step`."""
        return [{"step": r["step"], **r["evaluate"]} for r in self._records if "evaluate" in r]


def _rewritten(path: Path, step: int) -> list[dict[str, Any]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [r for r in _read_lines(path) if r["step"] <= step]
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text("".join(json.dumps(r) + "\n" for r in records))
    temporary.replace(path)
    return records


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file that a kill may have cut anywhere."""
    records: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                break
    return records
