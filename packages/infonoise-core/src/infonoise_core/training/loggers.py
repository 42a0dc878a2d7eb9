"""The lines of metrics.jsonl, sent elsewhere too: TensorBoard and Weights & Biases."""

import contextlib
import importlib
import struct
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.training.config import check_loggers

# Events of TensorBoard, and the name under which a run goes on at Weights & Biases.
_EVENTS, _RUN_ID = "tensorboard", "wandb-id.txt"
# The distribution that noise levels are drawn from, in a line, and as the histogram that is made of
# it.
_DENSITY, _DENSITY_NAME = "density", "density_over_log10_sigma"
_SAMPLES = "samples"


class Logger(Protocol):
    """Somewhere to send what a run tells of itself."""

    def log(self, step: int, record: Mapping[str, Any]) -> None:
        """Take a line: numbers, texts, groups of them by name, and the schedule's density."""

    def show(self, step: int, path: Path) -> None:
        """Take samples as they were written: a PNG image, or text."""

    def close(self) -> None:
        """Bring everything to its place."""


class TensorBoard:
    """Event files in out/tensorboard, for `tensorboard --logdir`.

    Args:
        step: The last one that counts; what an earlier process wrote of later ones is hidden,
            since it is done again.
    """

    def __init__(self, out: Path, step: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise _missing("tensorboard") from None
        # Without a type where TensorBoard is installed, and missing where it is not.
        writer: Any = SummaryWriter
        self._writer = writer(str(out / _EVENTS), purge_step=step + 1 if step else None)

    def log(self, step: int, record: Mapping[str, Any]) -> None:
        for name, value in _flat(record):
            if isinstance(value, str):
                self._writer.add_text(name, value, step)
            else:
                self._writer.add_scalar(name, value, step)
        if _DENSITY in record:
            shares, edges = _histogram(record[_DENSITY])
            middles = (edges[:-1] + edges[1:]) / 2
            self._writer.add_histogram_raw(
                _DENSITY_NAME, edges[0], edges[-1], shares.sum(), (shares * middles).sum(),
                (shares * middles**2).sum(), edges[1:].tolist(), shares.tolist(), step,
            )  # fmt: skip

    def show(self, step: int, path: Path) -> None:
        if path.suffix == ".txt":
            self._writer.add_text(_SAMPLES, path.read_text(), step)
            return
        # Without types, and missing where TensorBoard is.
        protocol: Any = importlib.import_module("tensorboard.compat.proto.summary_pb2")
        # As it lies there: TensorBoard's own way decodes and encodes it again.
        content = path.read_bytes()
        width, height = struct.unpack(">II", content[16:24])
        kind = protocol.Summary
        image = kind.Image(width=width, height=height, colorspace=3, encoded_image_string=content)
        summary = kind(value=[kind.Value(tag=_SAMPLES, image=image)])
        self._writer.file_writer.add_summary(summary, step)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run at Weights & Biases, where the environment says how: WANDB_MODE, WANDB_PROJECT, ...

    Args:
        out: The run's folder, which keeps its name there, so that a run that was cut short goes
            on.
        config: Its settings, as plain values.
    """

    def __init__(self, out: Path, config: Mapping[str, Any] | None = None) -> None:
        try:
            import wandb
        except ImportError:
            raise _missing("wandb") from None
        out.mkdir(parents=True, exist_ok=True)
        try:
            self._run = wandb.init(
                dir=str(out),
                name=out.name,
                id=_run_id(out),
                resume="allow",
                config=dict(config or {}),
            )
        except wandb.Error as error:
            raise InputError(
                f"Weights & Biases cannot be reached ({' '.join(str(error).split())}); log in, or"
                " set WANDB_MODE=offline"
            ) from None
        # Steps that are done again after a restart are drawn again, in place of being refused.
        self._run.define_metric("*", step_metric="step")

    def log(self, step: int, record: Mapping[str, Any]) -> None:
        values: dict[str, Any] = {"step": step, **dict(_flat(record))}
        if _DENSITY in record:
            import wandb

            values[_DENSITY_NAME] = wandb.Histogram(np_histogram=_histogram(record[_DENSITY]))
        self._run.log(values)

    def show(self, step: int, path: Path) -> None:
        import wandb

        shown: Any = path.read_text() if path.suffix == ".txt" else wandb.Image(str(path))
        self._run.log({"step": step, _SAMPLES: shown})

    def close(self) -> None:
        self._run.finish()


@contextlib.contextmanager
def open_loggers(
    names: tuple[str, ...], out: Path, step: int = 0, config: Mapping[str, Any] | None = None
) -> Iterator[list[Logger]]:
    """The loggers of these names for a run that has done `step` steps, closed at the end.

    InputError for a name that is none, or needs a package that is not there.
    """
    check_loggers(names)
    with contextlib.ExitStack() as stack:
        loggers: list[Logger] = []
        if "tensorboard" in names:
            loggers.append(TensorBoard(out, step))
            stack.callback(loggers[-1].close)
        if "wandb" in names:
            loggers.append(WeightsAndBiases(out, config))
            stack.callback(loggers[-1].close)
        yield loggers


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | str]]:
    """Numbers and texts with their names, those in groups as group/name."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        elif isinstance(value, (int, float, str)) and not (prefix == "" and name == "step"):
            yield f"{prefix}{name}", value


def _histogram(curve: Mapping[str, list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """(n,) share of the draws around each of n noise levels, and (n + 1,) edges in log10 sigma."""
    place = np.log10(curve["sigma"])
    half = (place[-1] - place[0]) / (len(place) - 1) / 2
    shares = np.array(curve[_DENSITY]) / np.sum(curve[_DENSITY])
    return shares, np.append(place - half, place[-1] + half)


def _run_id(out: Path) -> str:
    path = out / _RUN_ID
    if not path.is_file():
        path.write_text(uuid.uuid4().hex[:12] + "\n")
    return path.read_text().strip()


def _missing(name: str) -> InputError:
    return InputError(f"--log-to {name}: {name} is missing; pip install 'infonoise-core[{name}]'")
