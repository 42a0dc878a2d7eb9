"""Published recipes as functions that return a command's dataclass, and what tells them apart."""

import difflib
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
    """One table per command that has presets: only where they differ."""
    from rich.table import Table

    for name, offered in presets.items():
        table = Table(title=f"{program} {name} --preset NAME", title_justify="left")
        table.add_column("setting")
        for column in ("default", *offered):
            table.add_column(column, justify="right", overflow="fold")
        for setting, cells in differences(commands[name], offered).items():
            table.add_row(setting, *cells)
        terminal.console().print(table)


def _unequal(rows: Mapping[FieldPath, list[Any]]) -> dict[FieldPath, list[Any]]:
    return {path: row for path, row in rows.items() if any(value != row[0] for value in row)}


def _shown(value: Any) -> str:
    import tyro

    if value is tyro.MISSING:
        return "(required)"
    return f"{value:g}" if isinstance(value, float) else str(value)
