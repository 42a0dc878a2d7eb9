"""Write the pages and pictures of docs/benchmarks anew from their results; measures nothing.

python tools/bench/render.py
python tools/bench/render.py vision text
"""

import json
import sys
from pathlib import Path

from pictures.figures import draw_all
from report import render

PAGES = Path(__file__).parents[2] / "docs" / "benchmarks"


def write_page(results: Path) -> None:
    """NAME.md beside NAME.json, and the pictures that it opens with."""
    content = json.loads(results.read_text())
    results.with_suffix(".md").write_text(render(content))
    draw_all(content, results.parent / "figures")


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.stem for path in PAGES.glob("*.json")):
        write_page(PAGES / f"{name}.json")
