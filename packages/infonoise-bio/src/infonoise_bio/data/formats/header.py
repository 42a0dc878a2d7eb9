"""What a FASTA header says of a sequence: key=value words, quoted where a value holds spaces."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property

# key=value, key="a value" (with \" and the like as in JSON) or key='a value'.
_WORD = re.compile(r"""(?<!\S)([^\s="']+)=("(?:[^"\\]|\\.)*"|'[^']*'|\S*)(?!\S)""")
_PLAIN = re.compile(r"""[^\s"'\\]+""")


def header_fields(text: str) -> dict[str, str]:
    """The fields of a header without its id; of a key that comes twice, the last."""
    return {key: _unquoted(value) for key, value in _WORD.findall(text)}


class HeaderFields(Mapping[str, str]):
    """`header_fields`, read when one is asked for: most of a file's are not."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _fields(self) -> dict[str, str]:
        return header_fields(self.text)

    def __getitem__(self, key: str) -> str:
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return repr(self._fields)


def header_text(fields: Mapping[str, str]) -> str:
    """What `header_fields` reads back; empty values are left out, spaces in keys become _."""
    words = (f"{'_'.join(key.split())}={_quoted(value)}" for key, value in fields.items() if value)
    return " ".join(words)


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "\"'":
        return value
    if value[0] == '"':
        try:
            return str(json.loads(value, strict=False))
        except ValueError:  # a backslash that escapes nothing
            pass
    return value[1:-1]
