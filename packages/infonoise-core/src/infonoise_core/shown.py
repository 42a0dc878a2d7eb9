"""Text that comes with data, as it is shown: control characters as escapes, cells as text.

Ids, labels and file names may hold what moves a terminal's cursor, rewrites lines above or turns
the direction of reading; and a cell that begins with = is a formula to a spreadsheet.
"""

import re

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "'")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def printable(text: str, keep: str = "") -> str:
    r"""The text with every character that is not printed as itself escaped, such as \x1b.

    Args:
        text: Any text, halves of surrogate pairs among it.
        keep: Characters that are left as they are, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escape(c) for c in text)


def amount(number: int, one: str, many: str | None = None) -> str:
    """So many of something, such as "1 record" and "1,200 records".

    Args:
        number: How many.
        one: What one is called.
        many: What several are called; an s is added by default.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def cell(text: str) -> str:
    """The text for a cell of a table of tabs or commas: one line, and never a formula.

    A text that begins like a formula, and is no number, gets an apostrophe in front, as
    spreadsheets mark text.
    """
    text = printable(text)
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
