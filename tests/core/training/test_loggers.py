"""Metrics in TensorBoard's files, and what is said where a package is missing."""

import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.errors import InputError
from infonoise_core.training.loggers import WeightsAndBiases, open_loggers

RECORDS: list[tuple[int, dict[str, Any]]] = [
    (10, {"step": 10, "loss": 2.0, "schedule": "warming up"}),
    (20, {"step": 20, "loss": 1.5, "evaluate": {"nats": 3.25}}),
    (20, {"step": 20, "density": {"sigma": [0.1, 1.0], "density": [0.2, 0.3]}}),
]


def events(out: Path) -> Any:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(out / "tensorboard"))
    found.Reload()
    return found


# TensorBoard's own ways, on newer versions of Python and numpy.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_tensorboard_has_the_numbers_and_texts(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with open_loggers(("tensorboard",), tmp_path) as loggers:
        for step, record in RECORDS:
            for logger in loggers:
                logger.log(step, record)
    found = events(tmp_path)
    assert [(e.step, e.value) for e in found.Scalars("loss")] == [(10, 2.0), (20, 1.5)]
    assert [(e.step, e.value) for e in found.Scalars("evaluate/nats")] == [(20, 3.25)]
    assert set(found.Tags()["scalars"]) == {"loss", "evaluate/nats"}
    (text,) = found.Tensors("schedule/text_summary")
    assert text.tensor_proto.string_val == [b"warming up"]


def test_tensorboard_has_the_density_over_time(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    # Half a decade apart: 0.1 to 10, most of it at 1.
    curve = {"sigma": [0.1, 10**-0.5, 1.0, 10**0.5, 10.0], "density": [0.0, 1.0, 2.0, 1.0, 0.0]}
    with open_loggers(("tensorboard",), tmp_path) as (logger,):
        logger.log(5, {"density": curve})
    (event,) = events(tmp_path).Histograms("density_over_log10_sigma")
    found = event.histogram_value
    assert event.step == 5
    assert found.bucket_limit == pytest.approx([-0.75, -0.25, 0.25, 0.75, 1.25])
    assert found.bucket == pytest.approx([0.0, 0.25, 0.5, 0.25, 0.0])
    assert (found.min, found.max) == pytest.approx((-1.25, 1.25))


def test_tensorboard_has_the_samples(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    picture = tmp_path / "step-00000005.png"
    content = png(6, 4)
    picture.write_bytes(content)
    words = tmp_path / "step-00000007.txt"
    words.write_text("once upon a time")
    with open_loggers(("tensorboard",), tmp_path) as (logger,):
        logger.show(5, picture)
        logger.show(7, words)
    found = events(tmp_path)
    (image,) = found.Images("samples")
    assert (image.step, image.width, image.height) == (5, 6, 4)
    assert image.encoded_image_string == content
    (text,) = found.Tensors("samples/text_summary")
    assert (text.step, text.tensor_proto.string_val) == (7, [b"once upon a time"])


def png(width: int, height: int) -> bytes:
    """A black picture: its signature, header, rows and end."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(height * (1 + 3 * width)))
    start = bytes([137]) + b"PNG\r\n" + bytes([26]) + b"\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_what_is_done_again_is_there_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    for first, done in ((1, 0), (3, 2)):
        with open_loggers(("tensorboard",), tmp_path, done) as (logger,):
            for step in range(first, 6):
                logger.log(step, {"loss": float(step)})
    assert [e.step for e in events(tmp_path).Scalars("loss")] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")]
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"--log-to {name}: {name} is missing; pip install 'infonoise-core\[{name}\]'"
    with pytest.raises(InputError, match=message), open_loggers((name,), tmp_path):
        pass


def test_a_name_that_is_none(tmp_path: Path) -> None:
    message = "--log-to paper: no such place; give tensorboard or wandb"
    with pytest.raises(InputError, match=message), open_loggers(("paper",), tmp_path):
        pass


@pytest.mark.slow
def test_weights_and_biases_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    out = tmp_path / "run"
    for step, record in RECORDS:
        # In two goes, as after a restart.
        logger = WeightsAndBiases(out, {"lr": 0.1})
        logger.log(step, record)
        logger.close()
    name = (out / "wandb-id.txt").read_text().strip()
    # Each keeps its lines in a file of its own, under the name of the one run.
    runs = [*out.glob("wandb/offline-run-*/*.wandb")]
    assert len(runs) == len(RECORDS)
    assert {run.name for run in runs} == {f"run-{name}.wandb"}
