"""Pickles carried out by a small machine of our own, which runs nothing of anybody else's.

A pickle is a program: it may name any function and have it called. Here only the operations that
build dicts, lists and plain values are there, and a list of names that stand for something.
"""

import io
import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Values that the machine may hold on its stack and in its memo: a network has some thousands.
VALUES = 1 << 22


class Refused(Exception):
    """What a pickle asks for that is not carried out; the message is the reason."""


@dataclass(frozen=True)
class Name:
    """A function or class that the file names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Machine:
    """The operations of a pickle, on values that do nothing.

    Args:
        calls: What stands for each function that may be called: its arguments -> a value.
        outside: What stands for a value outside the file, where it may refer to one.
        attributes: Takes a value and the attributes that the file gives it.
    """

    def __init__(
        self,
        calls: Mapping[str, Callable[..., Any]],
        outside: Callable[[Any], Any] | None = None,
        attributes: Callable[[Any, Any], None] | None = None,
    ) -> None:
        self._calls, self._outside = calls, outside
        self._attributes = attributes or _no_attributes
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, stream: io.BytesIO) -> Any:
        """The value of the next pickle in the stream."""
        try:
            for operation, argument, _ in pickletools.genops(stream):
                if operation.name == "STOP":
                    return self._stack.pop()
                self._do(operation.name, argument)
                if len(self._stack) + len(self._memo) > VALUES:
                    raise Refused(f"it holds more than {VALUES} values")
        except Refused:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError,
                OverflowError, struct.error, MemoryError) as error:  # fmt: skip
            reason = " ".join(str(error).split())[:100] or type(error).__name__
            raise Refused(f"is no whole pickle ({reason})") from None
        raise Refused("is no whole pickle (it has no end)")

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _PLAIN:
            stack.append(_VALUES_OF.get(name, argument))
        elif name in _MADE:
            stack.append(_MADE[name]())
        elif name in _TUPLES:
            stack.append(tuple(self._last(_TUPLES[name])))
        elif name in _GATHERED:
            stack.append(_GATHERED[name](self._since_mark()))
        elif name in _PUTS:
            how, count = _PUTS[name]
            items = self._last(count) if count else self._since_mark()
            _put(stack[-1], how, items)
        elif name in _OPERATIONS:
            _OPERATIONS[name](self, argument)
        else:
            raise Refused(f"it uses {name}, which no such file needs")

    def _last(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise Refused("is no whole pickle (it takes more values than it has)")
        start = len(self._stack) - count
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def keep(self, place: Any) -> None:
        self._memo[len(self._memo) if place is None else place] = self._stack[-1]

    def get(self, place: Any) -> None:
        self._stack.append(self._memo[place])

    def pop(self, _: Any) -> None:
        self._stack.pop()

    def pop_mark(self, _: Any) -> None:
        self._since_mark()

    def again(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def name(self, text: Any) -> None:
        self._stack.append(self._named(*text.split(" ", 1)))

    def name_on_stack(self, _: Any) -> None:
        self._stack.append(self._named(*self._last(2)))

    def call(self, _: Any) -> None:
        self._stack.append(self._called(*self._last(2)))

    def build(self, _: Any) -> None:
        state = self._stack.pop()
        self._attributes(self._stack[-1], state)

    def refer(self, _: Any) -> None:
        if self._outside is None:
            raise Refused("it refers to something outside")
        self._stack.append(self._outside(self._stack.pop()))

    def nothing(self, _: Any) -> None:
        pass

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _named(self, module: Any, name: Any) -> Name:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused("it names something by what is no text")
        found = Name(module, name)
        if str(found) not in self._calls:
            raise Refused(f"it names {str(found)[:100]}, which is never loaded")
        return found

    def _called(self, what: Any, arguments: Any) -> Any:
        if not isinstance(what, Name) or not isinstance(arguments, tuple):
            raise Refused("it calls what is no function of the list")
        return self._calls[str(what)](*arguments)


def _no_attributes(what: Any, state: Any) -> None:
    raise Refused("it sets attributes")


_PLAIN = {
    "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4",
    "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip
_MADE: Mapping[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set,
}  # fmt: skip
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_VALUES_OF = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


_GATHERED: Mapping[str, Callable[[list[Any]], Any]] = {
    "TUPLE": tuple, "LIST": list, "DICT": _pairs, "FROZENSET": frozenset,
}  # fmt: skip


def _put(into: Any, name: str, items: list[Any]) -> None:
    """Items into a container that the file itself has made."""
    if name == "SETITEMS" and type(into) is dict:
        into.update(_pairs(items))
    elif name == "APPENDS" and type(into) is list:
        into.extend(items)
    elif name == "ADDITEMS" and type(into) is set:
        into.update(items)
    else:
        raise Refused(f"it puts values into a {type(into).__name__}")


_PUTS = {
    "APPENDS": ("APPENDS", 0), "SETITEMS": ("SETITEMS", 0), "ADDITEMS": ("ADDITEMS", 0),
    "APPEND": ("APPENDS", 1), "SETITEM": ("SETITEMS", 2),
}  # fmt: skip
_OPERATIONS: Mapping[str, Callable[[Machine, Any], None]] = {
    "PROTO": Machine.nothing, "FRAME": Machine.nothing, "MARK": Machine.mark,
    "MEMOIZE": Machine.keep, "PUT": Machine.keep, "BINPUT": Machine.keep,
    "LONG_BINPUT": Machine.keep, "GET": Machine.get, "BINGET": Machine.get,
    "LONG_BINGET": Machine.get, "POP": Machine.pop, "POP_MARK": Machine.pop_mark,
    "DUP": Machine.again, "GLOBAL": Machine.name, "STACK_GLOBAL": Machine.name_on_stack,
    "REDUCE": Machine.call, "NEWOBJ": Machine.call, "BUILD": Machine.build,
    "BINPERSID": Machine.refer,
}  # fmt: skip
