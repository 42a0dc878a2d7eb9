"""Find tensors without a shape: `python tools/check_shapes.py [PACKAGE ...]`.

A public function or method that takes or returns tensors, and a class that holds them, states a
shape in its docstring, such as (n,), (K+1,) or (n, ...), or says "any shape" or "same shape". A
method may leave it to its class's docstring; one without a docstring is described by the protocol
or base class that it belongs to. That there are docstrings, and their form, is ruff's to check.

Prints what lacks one; exits 1 if there is any, 2 for a package that does not exist.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("infonoise-core", "infonoise-vision", "infonoise-text", "infonoise-bio")

_ENTRY = r"(?:[\w.]+(?:[ ]?[-+*/][ ]?\w+)*|\.\.\.|[A-Z]')"
_SHAPE = re.compile(
    rf"\({_ENTRY},(?: {_ENTRY})?(?:, {_ENTRY})*,?\)"
    r"|(?i:\b(?:any|same|its|the|one|equal|x0's|of) shapes?\b|shape of|of `shape`|'s shape|scalar)"
)
_TENSOR = re.compile(r"\bTensor\b")


def has_shape(text: str) -> bool:
    """Whether a docstring states the shape of a tensor."""
    return _SHAPE.search(text) is not None


def find_gaps(package: str) -> tuple[list[str], int]:
    """What of a package lacks a shape, and how much of it is on tensors."""
    source = ROOT / "packages" / package / "src"
    found = [
        (f"{path.relative_to(ROOT)}:{line}: {name}", has_shape(text))
        for path in sorted(source.rglob("*.py"))
        for name, line, text in _on_tensors(ast.parse(path.read_text()))
    ]
    return [where for where, shaped in found if not shaped], len(found)


def _on_tensors(tree: ast.Module) -> Iterator[tuple[str, int, str]]:
    """Name, line and text of every public function, method and class on tensors."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and _is_public(node):
            yield node.name, node.lineno, ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            about = "\n".join(_texts(node))
            fields = (f.annotation for f in node.body if isinstance(f, ast.AnnAssign))
            if any(_TENSOR.search(ast.unparse(field)) for field in fields):
                yield node.name, node.lineno, about
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and _is_public(method):
                    text = ast.get_docstring(method)
                    if text is not None:
                        yield f"{node.name}.{method.name}", method.lineno, f"{about}\n{text}"


def _is_public(function: ast.FunctionDef) -> bool:
    """Whether it has a public name and takes or returns tensors."""
    given = function.args
    hints = [a.annotation for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return not function.name.startswith("_") and any(
        hint is not None and _TENSOR.search(ast.unparse(hint))
        for hint in (*hints, function.returns)
    )


def _texts(node: ast.ClassDef) -> list[str]:
    """A class's docstring and those that stand below its fields."""
    return [
        str(entry.value.value)
        for entry in node.body
        if isinstance(entry, ast.Expr) and isinstance(entry.value, ast.Constant)
    ]


def main(argv: Sequence[str]) -> int:
    """Print the gaps of the packages named, or of all four."""
    unknown = set(argv) - set(PACKAGES)
    if unknown:
        print(f"error: no package {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    gaps = {package: find_gaps(package) for package in argv or PACKAGES}
    for package, (missing, seen) in gaps.items():
        print(*missing, f"{package}: {len(missing)} without a shape of {seen}", sep="\n")
    return 1 if any(missing for missing, _ in gaps.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
