"""Count what is public and not documented: `python tools/check_docstrings.py [PACKAGE ...]`.

Public is what has no leading underscore in its own name, its class's or its module's. The rule:

- every public module, class, function and method has a docstring;
- one that takes or returns tensors, or a class that holds them, states a shape, such as (n,),
  (K+1,) or (n, ...), or says "any shape" or "same shape".

A method may leave both to its class's docstring or to the method of the same name that a base
class or a protocol of these packages documents (`sample`, `observe`, `loss`, ...): that is where a
reader looks it up. Magic methods, and `forward` of a network whose class states the shapes, need
no docstring of their own.

Prints the exceptions by name; exits 1 if there are any, 2 for a package that does not exist.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("infonoise-core", "infonoise-vision", "infonoise-text", "infonoise-bio")

_ENTRY = r"(?:[\w.]+(?:[ ]?[-+*/][ ]?\w+)*|\.\.\.|[A-Z]')"
SHAPE = re.compile(rf"\({_ENTRY},(?: {_ENTRY})?(?:, {_ENTRY})*,?\)")
_IN_WORDS = re.compile(
    r"\b(any|same|its|the|one|equal|x0's|of) shapes?\b|shape of|of `shape`|'s shape|scalar",
    re.IGNORECASE,
)
_TENSOR = re.compile(r"\bTensor\b")
# Documented by torch, or by the language.
_KNOWN_ELSEWHERE = {"forward", "state_dict", "load_state_dict", "main"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Gap:
    """Something public without a docstring, or without a shape in it."""

    name: str
    where: str
    lacks: str

    def __str__(self) -> str:
        return f"{self.where}: {self.name} has no {self.lacks}"


@dataclass(frozen=True)
class Method:
    """A method of a class that others may stand on: what its docstring gives."""

    documented: bool
    shaped: bool


def has_shape(text: str | None) -> bool:
    """Whether a docstring states the shape of a tensor."""
    return text is not None and bool(SHAPE.search(text) or _IN_WORDS.search(text))


def find_gaps(package: str) -> tuple[list[Gap], int]:
    """The gaps of a package such as "infonoise-core", and how many public names were looked at."""
    gaps, seen = [], 0
    known = _methods([*_modules("infonoise-core"), *_modules(package)])
    for path in _modules(package):
        for gap in _module_gaps(path, known):
            seen += 1
            if gap is not None:
                gaps.append(gap)
    return gaps, seen


def _modules(package: str) -> list[Path]:
    source = ROOT / "packages" / package / "src"
    paths = sorted(source.rglob("*.py"))
    return [
        path
        for path in paths
        if path.name == "__init__.py"
        or not any(part.startswith("_") for part in path.relative_to(source).parts)
    ]


def _methods(paths: Sequence[Path]) -> dict[str, dict[str, Method]]:
    """Class -> its methods: of all classes, by the name they are derived from."""
    table: dict[str, dict[str, Method]] = {}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                about = ast.get_docstring(node)
                methods = table.setdefault(node.name, {})
                for method in _functions(node.body):
                    text = ast.get_docstring(method)
                    shaped = not _on_tensors(method) or has_shape(text) or has_shape(about)
                    methods[method.name] = Method(text is not None, shaped)
                if any(_name(base) == "Protocol" for base in node.bases):
                    protocol = table.setdefault("Protocol", {})
                    protocol.update({k: v for k, v in methods.items() if v.documented})
    return table


def _module_gaps(path: Path, known: dict[str, dict[str, Method]]) -> Iterator[Gap | None]:
    """One entry per public name: its gap, or None."""
    tree = ast.parse(path.read_text())
    where = str(path.relative_to(ROOT))
    yield None if ast.get_docstring(tree) is not None else Gap(path.stem, where, "docstring")
    for function in _functions(tree.body):
        if not function.name.startswith("_"):
            yield _gap(function, function.name, f"{where}:{function.lineno}")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _class_gaps(node, where, known)


def _class_gaps(
    node: ast.ClassDef, where: str, known: dict[str, dict[str, Method]]
) -> Iterator[Gap | None]:
    about = ast.get_docstring(node)
    here = f"{where}:{node.lineno}"
    holds = any(
        isinstance(field, ast.AnnAssign) and _TENSOR.search(ast.unparse(field.annotation))
        for field in node.body
    )
    if about is None:
        yield Gap(node.name, here, "docstring")
    elif holds and not has_shape(_with_fields(node)):
        yield Gap(node.name, here, "shape of the tensors it holds")
    else:
        yield None
    # Protocols first, then what a class is derived from, however far.
    above = known.get("Protocol", {}) | _inherited(node, known)
    for method in _functions(node.body):
        if method.name.startswith("_"):
            continue
        gap = _gap(method, f"{node.name}.{method.name}", f"{where}:{method.lineno}")
        base = above.get(method.name)
        shaped = not _on_tensors(method) or has_shape(about) or (base is not None and base.shaped)
        named = ast.get_docstring(method) is not None or method.name in _KNOWN_ELSEWHERE
        yield None if shaped and (named or base is not None) else gap


def _inherited(node: ast.ClassDef, known: dict[str, dict[str, Method]]) -> dict[str, Method]:
    return {
        name: method
        for base in node.bases
        for name, method in known.get(_name(base), {}).items()
        if method.documented
    }


def _gap(function: Function, name: str, where: str) -> Gap | None:
    text = ast.get_docstring(function)
    if text is None:
        return Gap(name, where, "docstring")
    if _on_tensors(function) and not has_shape(text):
        return Gap(name, where, "shape in its docstring")
    return None


def _on_tensors(function: Function) -> bool:
    """Whether an argument or the result is a tensor, or holds some."""
    arguments = function.args
    annotations = [
        a.annotation for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    ]
    return any(
        a is not None and _TENSOR.search(ast.unparse(a)) for a in (*annotations, function.returns)
    )


def _functions(body: Sequence[ast.stmt]) -> list[Function]:
    return [node for node in body if isinstance(node, Function)]


def _with_fields(node: ast.ClassDef) -> str:
    """A class's docstring and those that stand below its fields."""
    texts = [
        entry.value.value
        for entry in node.body
        if isinstance(entry, ast.Expr) and isinstance(entry.value, ast.Constant)
    ]
    return "\n".join(str(text) for text in texts)


def _name(base: ast.expr) -> str:
    if isinstance(base, ast.Subscript):
        base = base.value
    return base.attr if isinstance(base, ast.Attribute) else ast.unparse(base)


def main(argv: Sequence[str]) -> int:
    """Print the gaps of the packages named, or of all four."""
    unknown = set(argv) - set(PACKAGES)
    if unknown:
        print(f"error: no package {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    found = 0
    for package in argv or PACKAGES:
        gaps, seen = find_gaps(package)
        found += len(gaps)
        for gap in gaps:
            print(gap)
        print(f"{package}: {len(gaps)} exceptions in {seen} public names")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
