"""print() and tables within a command show control characters as escapes."""

import io
import sys

import pytest

from infonoise_core.terminal import console, guarded


def test_print_is_guarded_on_both_streams(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded():
        print("id \x1b[2J\ttab")
        print("file \x1b]0;title\x07", file=sys.stderr)
    out, err = capsys.readouterr()
    assert (out, err) == ("id \\x1b[2J\ttab\n", "file \\x1b]0;title\\x07\n")


def test_tables_show_brackets_and_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    with guarded():
        table = Table()
        table.add_column("a [bold]name[/bold]")
        table.add_row("x\x1b[31mred[/foo]")
        console().print(table)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[bold]name[/bold]" in shown
    assert "\\x1b[31mred[/foo]" in shown


def test_colours_of_our_own_stay() -> None:
    from rich.console import Console
    from rich.text import Text

    stream = io.StringIO()
    own = type(console())(file=stream, force_terminal=True, color_system="standard", markup=False)
    assert isinstance(own, Console)
    own.print(Text("a\x1bb", style="red"))
    assert stream.getvalue() == "\x1b[31ma\\x1bb\x1b[0m\n"


def test_an_encoding_that_lacks_a_character_gets_its_escape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", raw)
    with guarded():
        print("0.5 ± 0.1")
    raw.flush()
    assert raw.buffer.getvalue() == b"0.5 \\xb1 0.1\n"  # type: ignore[attr-defined]
