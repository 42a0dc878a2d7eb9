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


def load(reference: Any) -> Any:
    """What "module:name" stands for, imported now; anything that is not text as it is."""
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
