"""The terminal: what is printed there shows control characters as escapes, at one place.

`guarded` stands around a command. Within it print() escapes whatever is written, and `console`
gives tables and progress their colours without letting those of the data through.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from infonoise_core.shown import printable

if TYPE_CHECKING:
    from rich.console import Console


class Guarded:
    """A text stream that writes escapes in place of control characters but tabs and line ends.

    What the terminal's encoding does not know is written as an escape too; an error while writing
    names the stream. Anything else is that of the stream behind it.

    Attributes:
        raw: The stream behind it.
    """

    def __init__(self, raw: Any, name: str) -> None:
        self.raw, self._name = raw, name

    def write(self, text: str) -> int:
        """Write text, control characters escaped; what the encoding lacks is written in ASCII."""
        with self._named():
            try:
                self.raw.write(_escaped(text))
            except UnicodeEncodeError:
                encoding = getattr(self.raw, "encoding", None) or "ascii"
                known = _escaped(text).encode(encoding, "backslashreplace")
                self.raw.write(known.decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Each by `write`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand what was written to the system; a full disk is an error that names the stream."""
        with self._named():
            self.raw.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            error.filename = error.filename or self._name
            raise


@contextmanager
def guarded() -> Iterator[None]:
    """Guard stdout and stderr, where there are any."""
    before = sys.stdout, sys.stderr
    names = "standard output", "standard error"
    streams = [
        stream if stream is None or isinstance(stream, Guarded) else Guarded(stream, name)
        for stream, name in zip(before, names, strict=True)
    ]
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(streams[0]))
        stack.enter_context(contextlib.redirect_stderr(streams[1]))
        yield


def console(*, stderr: bool = False) -> "Console":
    """Rich's console on stdout or stderr.

    It takes no text for markup and escapes what it is given; its own colours and cursor movements
    stay.
    """
    from rich.console import Console
    from rich.segment import Segment

    class Escaping(Console):
        def render(self, *args: Any, **kwargs: Any) -> Any:
            for part in super().render(*args, **kwargs):
                if part.control or part.text.isprintable():
                    yield part
                else:
                    yield Segment(printable(part.text, "\n"), part.style)

    stream: Any = sys.stderr if stderr else sys.stdout
    raw = stream.raw if isinstance(stream, Guarded) else stream
    return Escaping(file=raw, markup=False, emoji=False)


def _escaped(text: str) -> str:
    # Progress bars of other libraries begin their lines anew.
    begin = "\r" if text.startswith("\r") else ""
    return begin + printable(text[len(begin) :], "\n\t")


def print_rows(
    title: str,
    header: Sequence[str],
    body: Sequence[Sequence[str]],
    to: "Console | None" = None,
) -> None:
    """One table; numbers are never broken or cut off, however narrow the terminal."""
    from rich.table import Table
    from rich.text import Text

    # As Text, for a name may hold brackets that rich would take for markup.
    table = Table(title=Text(title) if title else None)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    for row in body:
        table.add_row(*map(Text, row))
    to = to or console()
    table.width = to.measure(table, options=to.options.update(width=1000)).maximum
    to.print(table, crop=False)
