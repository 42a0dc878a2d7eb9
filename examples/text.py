"""Text: learn Python's own documentation as bits, write new text, and complete a sentence.

`pydoc` comes with Python. Text files, JSON lines, Parquet or archives of yours go in its place.

    python examples/text.py           50 seconds on one CPU core (infonoise-text)

The same by hand: `infonoise-text train --out run`, and so on.
"""

import sys
import tempfile

from infonoise_text.cli import main as infonoise_text


def run(*words: str) -> None:
    """One command, as it would be typed; it ends here if it fails."""
    print("\n$ infonoise-text", *words)
    if code := infonoise_text([*words]):
        sys.exit(code)


def main(steps: int = 150) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/run"
        # Tokens become bits, bits get Gaussian noise, a transformer takes it away again.
        run("train", "pydoc", "--steps", str(steps), "--out", out)
        # Which bits of the tokens are lost first.
        run("profile", out, "--by", "bit")
        # So few steps teach words, hardly sentences; minutes teach more.
        run("sample", out, "--samples", "2")
        run("complete", out, "The for statement is used to", "--samples", "1")


if __name__ == "__main__":
    main()
