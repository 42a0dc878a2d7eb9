"""Libraries that come with an extra, and modules that are imported when first needed."""

import importlib
from typing import Any

from infonoise_core.errors import InputError


def require(module: str, extra: str, purpose: str) -> Any:
    """Import `module`; InputError that names the extra where it is not installed.

    Args:
        module: Its full name.
        extra: What brings it, such as infonoise-text[lm].
        purpose: What it is for, such as an option.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{purpose} needs {module.partition('.')[0]}: pip install '{extra}'"
        ) from error


# Package -> the extra of infonoise-core that brings it.
_EXTRAS = {
    "datasets": "hf",
    "huggingface_hub": "hub",
    "jinja2": "train",
    "matplotlib": "plot",
    "rich": "cli",
    "safetensors": "train",
    "tqdm": "train",
    "tyro": "cli",
    "yaml": "cli",
}


def extra_for(error: ModuleNotFoundError, purpose: str) -> Exception:
    """InputError that names the missing extra of infonoise-core; else the error itself."""
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        return error
    return InputError(
        f"{purpose} needs {package}: pip install 'infonoise-core[{_EXTRAS[package]}]'"
    )


def load(reference: Any) -> Any:
    """What "module:name" stands for, imported now; anything that is not text as it is."""
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
