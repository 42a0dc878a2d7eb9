"""Folders that are there whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `out` when all went well and vanishes
    otherwise; what was at `out` stays until then.
    """
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (out.with_name(f".{out.name}.{word}") for word in ("partial", "replaced"))
    _back(old, out)  # what a killed process had put aside
    for left_over in (partial, old):
        shutil.rmtree(left_over, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        if out.exists():
            out.rename(old)
        partial.rename(out)
    finally:
        _back(old, out)
        for left_over in (partial, old):
            shutil.rmtree(left_over, ignore_errors=True)


def _back(old: Path, out: Path) -> None:
    if old.exists() and not out.exists():
        old.rename(out)
