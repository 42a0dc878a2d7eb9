"""Our docstrings are plain prose; what reStructuredText would read into them is escaped.

Paragraphs whose lines start with "name: " become lists, indented paragraphs are shown as they
stand, and names in `backticks` are set as code.
"""

import re

_ITEM = re.compile(r"^(?P<names>\w[\w.]*(?:, \w[\w.]*)*): (?P<text>.*)$")
_CODE = re.compile(r"`([^`\n]+)`")


def to_rst(lines: list[str]) -> list[str]:
    """The lines of a docstring as reStructuredText that shows the same text."""
    result: list[str] = []
    for paragraph in _paragraphs(lines):
        result += [*_as_rst(paragraph), ""]
    return result


def _paragraphs(lines: list[str]) -> list[list[str]]:
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line.rstrip())
        elif paragraphs[-1]:
            paragraphs.append([])
    return [paragraph for paragraph in paragraphs if paragraph]


def _as_rst(paragraph: list[str]) -> list[str]:
    if all(line.startswith("    ") for line in paragraph):
        return ["::", "", *paragraph]
    if all(line.lstrip().startswith("- ") for line in paragraph):
        return [f"- {_escape(line.lstrip()[2:])}" for line in paragraph]
    rst: list[str] = []
    in_list, ended = False, True
    for line in paragraph:
        # In the middle of a sentence "unit: " is no name.
        item = _ITEM.match(line) if ended else None
        ended = line.endswith((".", ":"))
        if item is None:
            rst.append(("  " if in_list else "") + _escape(line.strip()))
            continue
        if not in_list:
            rst.append("")
        in_list = True
        rst.append(f"- **{_escape(item['names'])}**: {_escape(item['text'])}")
    return rst


def _escape(text: str) -> str:
    """Code spans kept, every other sign of markup taken literally."""
    parts = _CODE.split(text)
    return "".join(
        # re.split puts what a group caught at the odd places.
        f"``{part}``" if i % 2 else re.sub(r"([\\*`|_])", r"\\\1", part)
        for i, part in enumerate(parts)
    )
