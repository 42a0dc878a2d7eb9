"""Where what was computed of data is kept between commands."""

import os
from pathlib import Path

CACHE_VARIABLE = "INFONOISE_CACHE"


def cache_folder(given: Path | None = None) -> Path:
    """`given`, else what the environment variable INFONOISE_CACHE says, else the user's own."""
    if given is not None:
        return given
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "infonoise"
