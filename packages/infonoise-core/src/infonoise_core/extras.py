"""Libraries that come with an extra of this package, imported when they are first needed."""

import importlib
from typing import Any

from infonoise_core.errors import InputError


def require(module: str, extra: str, purpose: str) -> Any:
    """Import `module`; InputError that names the extra where it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{purpose} needs {module.partition('.')[0]}: pip install 'infonoise-text[{extra}]'"
        ) from error
