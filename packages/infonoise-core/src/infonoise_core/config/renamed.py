"""Settings that had another name before: options, files and old runs still say it that way."""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True)
class Formerly:
    """Beside a field's type, in Annotated: the names it had before this version.

    Attributes:
        names: As fields are written, without dashes in front.
    """

    names: tuple[str, ...]


def formerly(*names: str) -> Formerly:
    """Mark a field that was renamed, for Annotated: the names it had before."""
    return Formerly(names)


def old_names(kind: type) -> dict[str, str]:
    """Old name -> field of a dataclass, its groups left out."""
    marked = get_type_hints(kind, include_extras=True)
    return {
        old: field.name
        for field in dataclasses.fields(kind)
        for mark in get_args(marked[field.name])[1:]
        if isinstance(mark, Formerly)
        for old in mark.names
    }


def upgraded(settings: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """The settings of a dataclass under the names that they have now, its groups among them."""
    names, hints = old_names(kind), get_type_hints(kind)
    result: dict[str, Any] = {}
    for key, value in settings.items():
        hint = hints.get(key)
        if isinstance(value, Mapping) and isinstance(hint, type) and dataclasses.is_dataclass(hint):
            value = upgraded(value, hint)
        result[names.get(key, key)] = value
    return result


def completed(settings: Mapping[str, Any], today: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """The settings of an older version, with the defaults of fields that came since.

    Args:
        settings: Under the names of today (`upgraded`).
        today: What this version would write: only what stands there is added.
        kind: The dataclass of both.
    """
    result, hints = dict(settings), get_type_hints(kind)
    for field in dataclasses.fields(kind):
        name, hint = field.name, hints[field.name]
        if name not in today:
            continue
        is_group = isinstance(hint, type) and dataclasses.is_dataclass(hint)
        if is_group and isinstance(result.get(name), Mapping):
            result[name] = completed(result[name], today[name], hint)
        elif name not in result:
            default: Any = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            if default is not dataclasses.MISSING:
                result[name] = _plain(default)
    return result


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    return json.loads(json.dumps(value, default=str))


def with_new_names(arguments: Sequence[str], renamed: Mapping[str, str]) -> list[str]:
    """A command line with today's options in place of old ones, which are named on stderr.

    Args:
        renamed: Old option -> today's, both without their dashes in front.
    """
    result: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*result, *arguments[place:]]
        option, equals, value = argument.partition("=")
        new = renamed.get(option[2:].replace("_", "-")) if option.startswith("--") else None
        if new is not None:
            print(f"note: {option} is called --{new} now; use that name", file=sys.stderr)
            argument = f"--{new}{equals}{value}"
        result.append(argument)
    return result
