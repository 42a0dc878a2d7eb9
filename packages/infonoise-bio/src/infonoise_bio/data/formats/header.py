"""What a FASTA header says of a sequence: key=value words, quoted where a value holds spaces."""

import json
import re
from collections.abc import Mapping

# key=value, key="a value" (with \" and the like as in JSON) or key='a value'; a quote that is not
# closed makes no field, for where it should end is not known.
_WORD = re.compile(r"""(?<!\S)([^\s="']+)=("(?:[^"\\]|\\.)*"|'[^']*'|(?:[^\s"']\S*)?)(?!\S)""")
_PLAIN = re.compile(r"""[^\s"'\\]+""")


def header_fields(text: str) -> dict[str, str]:
    """The fields of a header without its id; of a key that comes twice, the last."""
    return {key: _unquoted(value) for key, value in _WORD.findall(text)}


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
