"""One value of a setting: from an option's text and from YAML, by the type that --help shows."""

import contextlib
import math
from pathlib import PurePath
from typing import Any

from infonoise_core.config.plain_yaml import parse_value

# Characters of a wrong value that a message shows.
_SHOWN = 200


def from_text(text: str, spec: Any) -> Any:
    """The value of an option's text; ValueError or TypeError where it is not of the type."""
    if spec.nargs == 1:
        with contextlib.suppress(ValueError):
            return _parsed([text], spec)
    value = parse_value(text)
    single = spec.nargs != 1 and value is not None and not isinstance(value, list)
    return from_yaml([value] if single else value, spec)


def from_yaml(value: Any, spec: Any) -> Any:
    """The value of what YAML gave; ValueError or TypeError where it is not of the type."""
    # tyro has other answers for what is nearly of the type, and Python takes True for a number.
    if not isinstance(value, (bool, list)) and spec.is_instance(value) is True:
        return value
    with contextlib.suppress(ValueError):
        result = _parsed(_tokens(value), spec)
        if _says_the_same(result, value):
            return result
    # Such as a text that is called None, among others.
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        for candidate in (tuple(value), value):
            if spec.is_instance(candidate) is True:
                return candidate
    raise ValueError


def _parsed(tokens: list[str], spec: Any) -> Any:
    if spec.choices is not None and not set(tokens) <= set(spec.choices):
        raise ValueError
    if isinstance(spec.nargs, int) and len(tokens) != spec.nargs:
        raise ValueError
    return spec.instance_from_str(tokens)


def _tokens(value: Any) -> list[str]:
    """A YAML value as a command line would give it."""
    if isinstance(value, list):
        return [token for item in value for token in _tokens(item)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return [str(value)]
    raise TypeError


def _says_the_same(result: Any, value: Any) -> bool:
    """Whether a parsed value is what YAML gave.

    A number must not end as a text (007 is 7 in YAML), nor the text None as nothing.
    """
    if isinstance(value, list):
        pairs = zip(result, value, strict=True) if isinstance(result, (list, tuple)) else ()
        return isinstance(result, (list, tuple)) and all(_says_the_same(r, v) for r, v in pairs)
    if result is None or value is None:
        return result is value
    if isinstance(value, float) and math.isnan(value):
        return isinstance(result, float) and math.isnan(result)
    if isinstance(value, str):
        return True
    if isinstance(result, (str, PurePath)) or isinstance(result, bool) != isinstance(value, bool):
        return False
    return bool(result == value)


def not_of_type(name: str, value: Any, spec: Any) -> str:
    """The words for a value that is not of the type, and what to give."""
    given = f"{name} is {shown(value)}"
    if spec.choices is not None:
        return f"{given}; give one of {', '.join(spec.choices)}"
    quotes = ", in quotes" if "STR" in spec.metavar and not isinstance(value, str) else ""
    return f"{given}, which is not of type {spec.metavar}; give one{quotes}"


def shown(value: Any) -> str:
    """A value as messages show it, cut short."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # more digits, or lists in lists, than Python writes
        return f"a {type(value).__name__} of a size that is not shown"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
