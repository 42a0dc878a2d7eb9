"""Sound files, changed."""

import json
from typing import Any

from hypothesis import strategies as st

from infonoise_core.training import checkpoint


@st.composite
def changed(draw: st.DrawFn, sound: bytes, words: tuple[bytes, ...]) -> bytes:
    """A sound file in which some bytes are others, more, fewer, or words of its format."""
    content = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "word", "repeat"]))
        if kind == "flip" and at < len(content):
            content[at] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del content[at : at + draw(st.integers(1, 20))]
        elif kind == "insert":
            content[at:at] = draw(st.binary(max_size=12))
        elif kind == "word" and words:
            end = at + draw(st.integers(0, 8))
            content[at:end] = draw(st.sampled_from(words))
        elif kind == "repeat":
            content[at:at] = content[at : at + 16] * draw(st.integers(1, 50))
    return bytes(content)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from([-1, 0, 2**31, 2**63, 2**70, 1e308, "", "..", "a/b", "\ud800", "\x1b[2J"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    if isinstance(value, dict):
        items: list[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return []
    return [(value, key) for key, _ in items] + [p for _, inner in items for p in _places(inner)]


@st.composite
def restructured(draw: st.DrawFn, sound: bytes) -> bytes:
    """Sound JSON (a checksum beside it made anew) in which values are others, or gone."""
    value = json.loads(sound)
    signed = isinstance(value, dict) and value.pop("checksum", None) is not None
    for _ in range(draw(st.integers(1, 3))):
        places = _places(value)
        if not places:
            break
        container, key = draw(st.sampled_from(places))
        if draw(st.integers(0, 4)):
            container[key] = draw(VALUES)
        else:
            del container[key]
    if signed:
        value = {"checksum": checkpoint.digest(value), **value}
    return json.dumps(value).encode()
