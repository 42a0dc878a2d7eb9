"""Published recipes as functions that return a command's dataclass, and what tells them apart."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from infonoise_core import terminal
from infonoise_core.config.tree import ConfigTree, FieldPath, dotted
from infonoise_core.errors import InputError

# Name -> a function that returns the dataclass of a command. What the user has to give, such as
# --out, is tyro.MISSING in it.
Presets = Mapping[str, Callable[[], Any]]


def make_preset(name: str, presets: Presets) -> Any:
    """The dataclass of a preset; InputError, with the nearest name, if there is none."""
    if name not in presets:
        near = difflib.get_close_matches(name, presets, n=1)
        fix = f"did you mean {near[0]}?" if near else f"give one of {', '.join(presets)}"
        raise InputError(f"--preset {name}: there is no such preset; {fix}")
    return presets[name]()


def differences(kind: type, presets: Presets) -> dict[str, list[str]]:
    """Setting -> its value by default and in each preset, where these differ."""
    trees = [ConfigTree(kind), *(ConfigTree(kind, make()) for make in presets.values())]
    rows = {path: [tree.values[path] for tree in trees] for path in trees[0].values}
    return {dotted(path): [_shown(value) for value in row] for path, row in _unequal(rows).items()}


def print_presets(
    program: str, commands: Mapping[str, type], presets: Mapping[str, Presets]
) -> None:
    """Each preset with its first sentence and the settings in which it is not as by default."""
    from rich.padding import Padding
    from rich.text import Text

    screen = terminal.console()
    for command, offered in presets.items():
        screen.print(Text(f"{program} {command} --preset NAME\n", "bold"))
        for name, make in offered.items():
            found = differences(commands[command], {name: make})
            settings = [f"{_last(key)} {value}" for key, (_, value) in found.items()]
            screen.print(Text.assemble((name, "bold"), f": {_first_line(make)}"))
            screen.print(Padding(Text(", ".join(settings)), (0, 0, 1, 4)))


def _first_line(make: Callable[[], Any]) -> str:
    return (inspect.getdoc(make) or "").partition("\n")[0]


def _last(key: str) -> str:
    """The name of a setting as --set takes it where no other ends alike."""
    return key.rpartition(".")[2]


def _unequal(rows: Mapping[FieldPath, list[Any]]) -> dict[FieldPath, list[Any]]:
    return {path: row for path, row in rows.items() if any(value != row[0] for value in row)}


def _shown(value: Any) -> str:
    import tyro

    if value is tyro.MISSING:
        return "(required)"
    return f"{value:g}" if isinstance(value, float) else str(value)
