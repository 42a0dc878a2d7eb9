"""YAML of plain values: without aliases, by which a few lines say billions of values, and not deep.

The library's time grows with the square of the depth.
"""

from functools import cache
from typing import Any

# Settings are nested three deep.
_DEEPEST = 50


@cache
def plain_loader() -> Any:
    """YAML's safe loader, which refuses aliases and depth by a ComposerError with its line."""
    import yaml

    class Plain(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                event: Any = self.peek_event()  # type: ignore[no-untyped-call]
                raise yaml.composer.ComposerError(
                    None, None, f"*{event.anchor} is an alias, which is not read", event.start_mark
                )
            if self.depth > _DEEPEST:
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.composer.ComposerError(None, None, "nested too deep", mark)
            self.depth += 1
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    return Plain


def parse_value(text: str) -> Any:
    """A value as YAML writes it; YAMLError, ValueError or TypeError where it is none."""
    import yaml

    try:
        return yaml.load(text, plain_loader())
    except (RecursionError, MemoryError, OverflowError) as error:
        raise ValueError(type(error).__name__) from None
