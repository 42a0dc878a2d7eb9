"""A command's dataclass as a tree of settings, before it is built."""

import dataclasses
import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, TypeGuard, TypeVar, get_args, get_origin, get_type_hints

from infonoise_core.config.renamed import Formerly
from infonoise_core.config.values import from_text, from_yaml, not_of_type, shown
from infonoise_core.errors import InputError
from infonoise_core.files import plain

T = TypeVar("T")
# What is set or unset lies at a path of field names, such as ("train", "lr").
FieldPath = tuple[str, ...]
_INT64 = 1 << 63


class ConfigTree:
    """The settings of `kind`, a dataclass of dataclasses.

    Each is still without a value, or has its default or what was put there since.

    Args:
        base: An instance to start from in place of the defaults.
    """

    def __init__(self, kind: type, base: object | None = None) -> None:
        self.kind = kind
        self._leaves = leaves = list(_leaves(kind))
        self._types = {leaf.path: leaf.hint for leaf in leaves}
        self._options = {leaf.option: leaf.path for leaf in leaves}
        self._renamed = {
            (*at[:-1], old): leaf.path
            for leaf in leaves
            for at in (leaf.path, leaf.option)
            for old in leaf.old
            if (*at[:-1], old) not in self._options
        }
        self.values: dict[FieldPath, Any] = {}
        self._groups = {path[:i] for path in self._types for i in range(1, len(path))}
        self._take_defaults((), kind, base)

    def find(self, key: str, where: str) -> FieldPath:
        """The path of a setting or group from its dotted name or the name of its option.

        The end of a name will do where it says which is meant.

        Raises:
            InputError: With the nearest name, if there is none.
        """
        parts = tuple(key.replace("-", "_").split("."))
        if parts in self._types or parts in self._groups:
            return parts
        if parts in self._options:
            return self._options[parts]
        if parts in self._renamed:
            return self._renamed[parts]
        meant = [p for p in (*self._types, *self._groups) if p[-len(parts) :] == parts]
        if len(meant) == 1:
            return meant[0]
        if meant:
            names = " and ".join(map(dotted, meant))
            raise InputError(f"{where}: {key} could be {names}; say which")
        raise InputError(f"{where}: there is no setting {key}{self._nearest(parts)}")

    def is_group(self, path: FieldPath) -> bool:
        """Whether the path leads to a group of settings, not to one."""
        return path in self._groups

    def put(self, path: FieldPath, value: Any, where: str) -> None:
        """Take a value as YAML gives it: null, a truth value, a number, a text or a list."""
        spec = self._spec(path, where)
        try:
            self.values[path] = from_yaml(value, spec)
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise InputError(f"{where}: {not_of_type(dotted(path), value, spec)}") from None

    def put_text(self, path: FieldPath, text: str, where: str) -> None:
        """Take a value as it is given to an option, or as YAML writes it."""
        import yaml

        spec = self._spec(path, where)
        try:
            self.values[path] = from_text(text, spec)
        except (ValueError, TypeError, OverflowError, yaml.YAMLError):
            raise InputError(f"{where}: {not_of_type(dotted(path), text, spec)}") from None

    def options(self) -> list[str]:
        """The names of the options, without their dashes in front."""
        return [dotted(option).replace("_", "-") for option in self._options]

    def several(self) -> set[str]:
        """Of the options those that take several values at once: given again, they begin anew."""
        return {
            dotted(leaf.option).replace("_", "-")
            for leaf in self._leaves
            if get_origin(leaf.hint) is tuple and not leaf.appends
        }

    def renamed(self) -> dict[str, str]:
        """Old name of an option -> its name now, both without dashes in front."""
        now = {path: option for option, path in self._options.items()}
        return {
            dotted(old).replace("_", "-"): dotted(now[path]).replace("_", "-")
            for old, path in self._renamed.items()
        }

    def names_in(self, path: FieldPath) -> list[str]:
        """Dotted names of the settings in a group."""
        return [dotted(leaf) for leaf in self._types if leaf[: len(path)] == path]

    def draft(self, kind: type | None = None, **more: Any) -> Any:
        """An instance with these values that nothing has checked yet.

        Args:
            kind: A subclass with `more` fields, in place of the tree's own class.
            more: Their values. What has no value is tyro's MISSING.
        """
        return self._drafted(kind or self.kind, (), more)

    def _drafted(self, kind: type, at: FieldPath, more: dict[str, Any]) -> Any:
        # Not by calling the class: what it checks may hang on settings that are still to come.
        instance: Any = object.__new__(kind)
        for field, hint in _fields(kind):
            path = (*at, field.name)
            if field.name in more:
                value = more[field.name]
            elif _is_group(hint):
                value = self._drafted(hint, path, {})
            else:
                value = self.values[path]
            object.__setattr__(instance, field.name, value)
        return instance

    def _take_defaults(self, at: FieldPath, kind: type, instance: Any) -> None:
        import tyro

        for field, hint in _fields(kind):
            path = (*at, field.name)
            if instance is not None:
                value = getattr(instance, field.name)
            elif field.default is not dataclasses.MISSING:
                value = field.default
            elif field.default_factory is not dataclasses.MISSING:
                value = field.default_factory()
            else:
                value = tyro.MISSING
            if _is_group(hint):
                self._take_defaults(path, hint, None if value is tyro.MISSING else value)
            else:
                self.values[path] = value

    def _spec(self, path: FieldPath, where: str) -> Any:
        """tyro's knowledge of the setting's type: the one that --help shows."""
        from tyro import constructors

        info = constructors.PrimitiveTypeInfo.make(self._types[path], set())
        spec = constructors.ConstructorRegistry.get_primitive_spec(info)
        if isinstance(spec, constructors.UnsupportedTypeAnnotationError):
            raise InputError(f"{where}: {dotted(path)} cannot be given here; give it as an option")
        return spec

    def _nearest(self, parts: FieldPath) -> str:
        names = [dotted(path) for path in (*self._types, *self._options)]
        near = difflib.get_close_matches(dotted(parts), names, n=1)
        near = near or difflib.get_close_matches(parts[-1], names, n=1)
        return f"; did you mean {near[0]}?" if near else "; --help lists them"


def build(kind: type[T], draft: Any) -> T:
    """The draft as a `kind`, built by its constructor, so that every class makes its checks."""
    values = {field.name: getattr(draft, field.name) for field, _ in _fields(kind)}
    for field, hint in _fields(kind):
        if _is_group(hint):
            values[field.name] = build(hint, values[field.name])
        for value in (values[field.name], *_items(values[field.name])):
            if isinstance(value, int) and not -_INT64 <= value < _INT64:
                name = field.name.replace("_", "-")
                raise InputError(f"--{name} {shown(value)}: give a number that fits into 64 bits")
    return kind(**values)


def settings_of(config: Any) -> dict[str, Any]:
    """A dataclass as plain JSON values."""
    tree: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=plain))
    return tree


def from_plain(kind: type[T], settings: Mapping[str, Any], *, whole: bool = False) -> T:
    """A dataclass from plain JSON values; what is missing has its default.

    Args:
        whole: Whether `settings` may hold nothing but fields of `kind`.

    Raises:
        InputError: For values that do not fit, as of another release.
    """
    values = {}
    for field, hint in _fields(kind):
        if field.name in settings:
            values[field.name] = _as_type(settings[field.name], hint)
    foreign = sorted(set(settings) - set(values)) if whole else []
    missing = [
        field.name
        for field, _ in _fields(kind)
        if field.name not in values
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if foreign or missing:
        raise InputError(
            f"settings of another release: {', '.join(foreign or missing)}"
            f" {'is not known' if foreign else 'is missing'}; use the release that wrote them"
        )
    return kind(**values)


def _as_type(value: Any, hint: Any) -> Any:
    if _is_group(hint) and isinstance(value, Mapping):
        return from_plain(hint, value, whole=True)
    kinds = [hint, *get_args(hint)]
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str) and str not in kinds and any(_is_path(kind) for kind in kinds):
        return Path(value)
    return value


def _is_path(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, PurePath)


def _items(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else ()


def dotted(path: FieldPath) -> str:
    """The name of a setting, for people."""
    return ".".join(path)


def _fields(kind: type) -> list[tuple[dataclasses.Field[Any], Any]]:
    hints = get_type_hints(kind)
    return [(field, hints[field.name]) for field in dataclasses.fields(kind) if field.init]


def _is_group(hint: Any) -> TypeGuard[type]:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


@dataclass(frozen=True)
class _Leaf:
    """A setting: its path, that of its option, which may be shorter, its type and old names.

    Attributes:
        appends: Whether the option may be given again and again, with one value each.
    """

    path: FieldPath
    option: FieldPath
    hint: Any
    old: tuple[str, ...]
    appends: bool = False


def _leaves(
    kind: type, at: FieldPath = (), prefix: FieldPath = (), flat: bool = False
) -> Iterator[_Leaf]:
    import tyro

    marked = get_type_hints(kind, include_extras=True)
    for field, hint in _fields(kind):
        here = (*at, field.name)
        marks = get_args(marked[field.name])[1:]
        if _is_group(hint):
            omitted = flat or tyro.conf.OmitArgPrefixes in marks
            option = () if omitted else (*prefix, field.name)
            yield from _leaves(hint, here, option, omitted)
        else:
            old = tuple(n for mark in marks if isinstance(mark, Formerly) for n in mark.names)
            # tyro's own mark, where an option's name could not be a field's.
            own = next((m.name for m in marks if getattr(m, "name", None)), field.name)
            appends = tyro.conf.UseAppendAction in marks
            yield _Leaf(here, (*prefix, own), hint, old, appends)
