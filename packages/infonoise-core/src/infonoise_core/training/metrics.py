"""metrics.jsonl: what a run tells of itself, one line of JSON at a time."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from infonoise_core.binning import log_edges
from infonoise_core.errors import InputError
from infonoise_core.schedules.infonoise import FixedLaw, Schedule
from infonoise_core.training.engines.base import Engine
from infonoise_core.training.loggers import Logger
from infonoise_core.training.record.metrics import rewritten
from infonoise_core.training.run_folder import Place

# Noise levels at which a density is written down.
_LEVELS = 64


class Metrics:
    """The lines of a run's metrics file, and what happened on the device between them.

    Rank 0 writes the lines, and tells its `loggers`; every rank keeps the evaluations among them.

    Args:
        skip_limit: Steps in a row without a finite gradient that are borne.
    """

    def __init__(self, path: Path, engine: Engine, skip_limit: int) -> None:
        self._path, self._engine, self._skip_limit = path, engine, skip_limit
        self.loggers: Sequence[Logger] = ()
        # Of every step since the last line; kept as they come, so that a step costs no operation.
        self._losses: list[Tensor] = []
        self._norms: list[Tensor] = []
        self._in_a_row = 0
        self._evaluations: list[dict[str, float]] = []
        self._saved: list[dict[str, float]] | None = None
        self._place = Place(path.parent)

    def rewind(self, step: int) -> None:
        """Drop the lines after a step: what they tell of is done again."""
        written = self._engine.share(lambda: _evaluations(rewritten(self._path, step)))
        self._evaluations = written if self._saved is None else list(self._saved)

    def state_dict(self) -> dict[str, Any]:
        """Collective: from now on every rank goes on from the mean over ranks."""
        rows = self._rows()
        self._losses, self._norms = list(rows[0].unbind()), list(rows[1].unbind())
        evaluations = list(self._evaluations)
        return {"rows": rows, "in_a_row": self._in_a_row, "evaluations": evaluations}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        rows = state["rows"].to(self._engine.device)
        self._losses, self._norms = list(rows[0].unbind()), list(rows[1].unbind())
        self._in_a_row = int(state["in_a_row"])
        # By what a run is stopped and its best checkpoint chosen: not by a file of lines that may
        # have been changed. The first releases kept none.
        self._saved = state.get("evaluations")

    def add(self, loss: Tensor, norm: Tensor) -> None:
        """Take note of an optimizer step by its scalar loss and gradient norm.

        It was skipped if the norm is not finite. Waits for nothing.
        """
        self._losses.append(loss)
        self._norms.append(norm)

    def log(self, step: int, status: str, speed: Mapping[str, float]) -> str:
        """Write the means since the last line, and how fast it went; returns them in a few words.

        InputError after too many steps in a row that had to be skipped. Collective.
        """
        rows = self._rows().cpu()
        self._losses, self._norms = [], []
        taken = rows[1].isfinite()
        longest = 0
        for ok in taken.tolist():
            self._in_a_row = 0 if ok else self._in_a_row + 1
            longest = max(longest, self._in_a_row)
        if longest >= self._skip_limit:
            raise InputError(
                f"the loss or its gradient was not finite in {longest} updates in a row before"
                f" step {step}: lower --lr; those updates were skipped, the last checkpoint is"
                " whole"
            )
        record: dict[str, Any] = {}
        if bool(taken.any()):
            loss, norm = rows[:, taken].mean(1).tolist()
            record = {"loss": loss, "grad_norm": norm}
        skipped = int((~taken).sum())
        if skipped:
            record["skipped"] = skipped
        self.write(step, {**record, "schedule": status, "speed": dict(speed)})
        words = f"loss {record['loss']:.4g}" if "loss" in record else "no loss"
        return f"{words}, {skipped} updates skipped" if skipped else words

    def _rows(self) -> Tensor:
        """(2, steps) losses and gradient norms since the last line, the mean over ranks."""
        device = self._engine.device
        if not self._losses:
            return torch.zeros(2, 0, device=device)
        rows = [torch.stack([v.to(device, torch.float32) for v in values])
                for values in (self._losses, self._norms)]  # fmt: skip
        return self._engine.mean(torch.stack(rows))

    def density(self, step: int, schedule: Schedule) -> None:
        """Write the density that noise levels are drawn from, at 64 of them, if it changes."""
        if isinstance(schedule, FixedLaw):
            return
        edges = log_edges(schedule.channel.sigma_min, schedule.channel.sigma_max, _LEVELS)
        sigma = (edges[:-1] * edges[1:]).sqrt()
        curve = [[float(f"{v:.4g}") for v in t.tolist()] for t in (sigma, schedule.density(sigma))]
        self.write(step, {"density": {"sigma": curve[0], "density": curve[1]}})

    def write(self, step: int, record: dict[str, Any]) -> None:
        """Append a line."""
        record = {"step": step, **record}
        self._evaluations += _evaluations([record])
        if self._engine.rank == 0:
            self._place.check()
            with self._path.open("a") as file:
                file.write(json.dumps(record) + "\n")
        for logger in self.loggers:
            logger.log(step, record)

    def show(self, step: int, path: Path) -> None:
        """Samples, as they were written; on rank 0."""
        for logger in self.loggers:
            logger.show(step, path)

    def check_place(self) -> None:
        """InputError where the run's folder is gone; on rank 0."""
        self._place.check()

    def flush(self) -> None:
        """Bring the lines to the disk."""
        if self._engine.rank == 0:
            self._place.check()
            with self._path.open("a") as file:
                os.fsync(file.fileno())

    @property
    def evaluations(self) -> Sequence[dict[str, float]]:
        """The measures of every evaluation, with its `step`; not to be changed."""
        return self._evaluations


def _evaluations(records: Iterable[dict[str, Any]]) -> list[dict[str, float]]:
    return [{"step": r["step"], **r["evaluate"]} for r in records if "evaluate" in r]
