"""Options that have no say beside others: given to a new run, they are a mistake.

Runs of earlier releases may have been begun with some, and go on; so dataclasses do not refuse them
when they are made, but name them, and a command asks when it begins something new.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

from infonoise_core.errors import InputError


class Idle(NamedTuple):
    """One option without a say.

    Attributes:
        group: The dataclass that has it.
        name: Of its field.
        why: What it would take, such as "is of stages; give --stages".
        none: A value that says as much, such as a share of 0; it is taken, too.
    """

    group: Any
    name: str
    why: str
    none: Any = None


@runtime_checkable
class Naming(Protocol):
    """A dataclass of options that knows which of them, or of its groups', have no say."""

    def idle(self) -> Iterator[Idle]:
        """Those without one, whether they were given or not."""


def refuse_idle(options: Any) -> None:
    """InputError for an option that is not its default and has no say.

    Args:
        options: A dataclass of options; its groups are looked at, too.
    """
    for found in _named(options):
        refuse(found)


def refuse(found: Idle) -> None:
    """InputError for one that is not its default."""
    value, usual = getattr(found.group, found.name), _default(found)
    if value not in (usual, found.none):
        option = found.name.replace("_", "-")
        raise InputError(f"--{option}{_shown(value)}: {found.why}, or leave it out")


def _named(options: Any) -> Iterator[Idle]:
    if isinstance(options, Naming):
        yield from options.idle()
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            yield from _named(value)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return ""
    return f" {value:g}" if isinstance(value, float) else f" {value}"


def _default(found: Idle) -> Any:
    field = next(f for f in dataclasses.fields(found.group) if f.name == found.name)
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
