"""Diffusion models of images, on top of infonoise_core."""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`Images`, imported when it is used: the command's help needs neither torch nor numpy."""
    if name == "Images":
        from infonoise_vision.data.own import Images

        return Images
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
