"""A trained run of text by its folder."""

from pathlib import Path

from infonoise_core.app.trained import open_trained
from infonoise_text.interface import INTERFACE
from infonoise_text.methods.trained import TextRun


def open_run(folder: str | Path, device: str = "auto") -> TextRun:
    """The averaged network of a run, with its tokenizer, codes and profiles.

    Args:
        folder: The --out of a train command, or of a pull.
        device: cpu, cuda or auto.

    Raises:
        InputError: Where there is no run of text, or no checkpoint yet.
    """
    return TextRun.of(open_trained(INTERFACE.load(), Path(folder), device))
