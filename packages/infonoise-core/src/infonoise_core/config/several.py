"""One option that takes several files."""

from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec


def _is_text(value: object) -> bool:
    return isinstance(value, str)


# Words of the command line, as one text with commas between them: so it lies in config.json.
Files = Annotated[
    str,
    PrimitiveConstructorSpec(
        nargs="*",
        metavar="[FILE ...]",
        instance_from_str=",".join,
        is_instance=_is_text,
        str_from_instance=lambda text: [text],
    ),
]
