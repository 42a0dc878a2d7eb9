"""The READMEs keep their word: marked code runs, and the commands they name exist."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from doc_blocks import MARKED, ROOT, run_python

READMES = [ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md"))]


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


BLOCKS = [
    pytest.param(block["name"], block["code"], id=f"{label(readme)}:{block['name']}")
    for readme in READMES
    for block in MARKED.finditer(readme.read_text())
]


def calls_on(variable: str, code: str) -> list[str]:
    """Names of the methods called on a variable, in the order of the text."""
    calls = [
        node.func
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == variable
    ]
    return [call.attr for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset))]


@pytest.mark.parametrize(("name", "code"), BLOCKS)
def test_marked_block_runs(name, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_python(code, name, {"__name__": "readme"})


@pytest.mark.parametrize("readme", ["README.md", "packages/infonoise-core/README.md"])
def test_adapter_is_three_calls(readme):
    blocks = {
        block["name"]: block["code"] for block in MARKED.finditer((ROOT / readme).read_text())
    }
    assert calls_on("schedule", blocks["adapter"]) == ["sample", "observe", "step"]


def test_hatch_commands_exist():
    environments = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["envs"]
    known = {
        script if environment == "default" else f"{environment}:{script}"
        for environment, table in environments.items()
        for script in table["scripts"]
    }
    named = set(re.findall(r"hatch run ([\w:-]+)", (ROOT / "README.md").read_text()))
    assert {"demo", "test"} <= named <= known
