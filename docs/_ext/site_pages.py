"""Sphinx extension: pages that are made from the programs themselves, and measured numbers."""

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import command_help
from benchmark_values import look_up
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

ROOT = Path(__file__).parents[2]
PACKAGES = ("infonoise_core", "infonoise_vision", "infonoise_text", "infonoise_bio")


class BenchmarkRole(SphinxRole):
    """{benchmark}`core / cost / ...`: the number at that address of docs/benchmarks."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            return [nodes.inline(self.rawtext, look_up(self.text))], []
        except KeyError as error:
            message = self.inliner.reporter.error(f"benchmark {error.args[0]}", line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]


def fill_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """The text of the pages that are made: commands, API, and the packages' own pages."""
    folder, _, name = docname.partition("/")
    if docname == "commands":
        source[0] += command_help.page()
    elif folder == "api" and name in PACKAGES:
        source[0] += api(name)
    elif folder == "packages" and name:
        readme = ROOT / "packages" / name / "README.md"
        app.env.note_dependency(str(readme))
        # The package index shows the same text, and a link to a page would be dead there.
        source[0] = re.sub(
            r"docs/([\w/-]+)\.md in the repository", r"[\1](../\1.md)", readme.read_text()
        )
    # Links between the files of the repository become links between pages.
    source[0] = re.sub(r"\(\.\./packages/([\w-]+)/README\.md\)", r"(packages/\1.md)", source[0])


def api(package: str) -> str:
    """reStructuredText: every public module, under its name."""
    root = importlib.import_module(package)
    names = [module.name for module in pkgutil.walk_packages(root.__path__, f"{package}.")]
    parts = []
    for name in [package, *names]:
        if not any(part.startswith("_") for part in name.split(".")):
            parts += ["", name, "-" * len(name), "", f".. automodule:: {name}", ""]
    return "\n".join(parts)


def visit_math(writer: Any, node: nodes.math) -> None:
    """Formulas as MathML, which browsers show without a script from elsewhere."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(writer: Any, node: nodes.math_block) -> None:
    """The same, on a line of its own."""
    writer.body.append(f"<div class='math'>{tex2mathml(node.astext(), as_block=True)}</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.add_role("benchmark", BenchmarkRole())
    app.connect("source-read", fill_page)
    return {"parallel_read_safe": True}
