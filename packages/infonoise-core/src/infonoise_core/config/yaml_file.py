"""Settings in YAML files and in NAME=VALUE: into a tree and out of a dataclass."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from infonoise_core.config.plain_yaml import plain_loader
from infonoise_core.config.tree import ConfigTree, FieldPath, dotted, settings_of
from infonoise_core.errors import InputError
from infonoise_core.files import write_text
from infonoise_core.reading import read_bytes

# Far more than all settings of all commands.
_YAML_BYTES = 1 << 20


def to_yaml(config: Any, leave_out: Iterable[str] = ()) -> str:
    """A command's dataclass as YAML, which `read_config` takes back.

    Args:
        leave_out: Fields of the command that a later run should not inherit, such as overwrite.
    """
    import yaml

    settings = settings_of(config)
    kept = {name: value for name, value in settings.items() if name not in set(leave_out)}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)


def write_yaml(path: Path, config: Any, leave_out: Iterable[str] = ()) -> None:
    """Write `to_yaml` all or nothing, making the folder if need be."""
    write_text(path, to_yaml(config, leave_out))


def read_config(path: Path, tree: ConfigTree) -> None:
    """Put the settings of a YAML file into the tree.

    They may be nested as the dataclass is, or flat as the options are. InputError, with the line,
    for what is no setting, has the wrong type or comes twice.
    """
    import yaml

    try:
        loader = plain_loader()(read_bytes(path, _YAML_BYTES).decode("utf-8"))
        root = loader.get_single_node()
        if root is None:
            return
        seen: dict[FieldPath, str] = {}
        for name, node in _entries(root, (), tree, str(path)):
            where = f"{path} line {node.start_mark.line + 1}"
            if name in seen:
                raise InputError(
                    f"{where}: {dotted(name)} is already given in {seen[name]}; keep one of them"
                )
            seen[name] = f"line {node.start_mark.line + 1}"
            tree.put(name, _value(loader, node, where), where)
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; give YAML") from None
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{line}: {error.problem}; give valid YAML") from None
    except (yaml.YAMLError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise InputError(f"{path}: {reason}; give valid YAML") from None


def _value(loader: Any, node: Any, where: str) -> Any:
    try:
        return loader.construct_object(node, deep=True)
    # A date that there is not, a number of more digits than Python reads.
    except (ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise InputError(f"{where}: is no value that can be read ({error})") from None


def put_assignment(text: str, tree: ConfigTree) -> None:
    """Put NAME=VALUE, as given to --set, into the tree."""
    where = f"--set {text}"
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"{where}: give a setting and its value, such as --set seed=1")
    path = tree.find(key.strip(), where)
    if tree.is_group(path):
        raise InputError(f"{where}: {key} is a group; give one of {_some(tree, path)}")
    tree.put_text(path, value, where)


def _entries(
    node: Any, at: FieldPath, tree: ConfigTree, file: str
) -> Iterator[tuple[FieldPath, Any]]:
    """Path and YAML node of every setting below a node."""
    import yaml

    where = f"{file} line {node.start_mark.line + 1}"
    if not isinstance(node, yaml.MappingNode):
        within = f"{dotted(at)} is a group of settings" if at else "these are no settings"
        raise InputError(f"{where}: {within}; give NAME: VALUE, such as {_some(tree, at)}")
    for key, value in node.value:
        line = f"{file} line {key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise InputError(f"{line}: a setting has a list as its name; give NAME: VALUE")
        path = tree.find(".".join((*at, key.value)), line)
        if tree.is_group(path):
            yield from _entries(value, path, tree, file)
        else:
            yield path, value


def _some(tree: ConfigTree, path: FieldPath) -> str:
    return ", ".join(tree.names_in(path)[:3])
