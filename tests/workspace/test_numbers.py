"""A number that looks like a result is read from a results file, or stands here with its reason.

Marked numbers (`<!-- benchmark: ... -->` in READMEs, {benchmark} on the site) are compared with the
results by test_docs. This finds the others: decimals, shares and factors in prose and tables.
"""

import re
from pathlib import Path

import pytest
from doc_blocks import ROOT

# What no reader takes for prose: code, comments with the number they hold, roles.
NOT_PROSE = re.compile(
    r"^```.*?^```$|^    .*?$|<!-- benchmark: .*?<!-- end -->|\{[\w:]+\}`[^`]*`|``[^`]*``|`[^`]*`"
    r"|\$[^$]*\$|\]\([^)]*\)",
    re.MULTILINE | re.DOTALL,
)
NUMBER = re.compile(
    r"(?<![\w.])\d+\.\d+(?![\w.]|-\d)|\b\d+(?:\.\d+)? ?%|\b\d+ times\b|(?<![x\d])\d+[x×](?![\w×])"
)
# Page -> texts with numbers that nobody measured: settings, definitions, versions, other people's.
STATED = {
    "README.md": ["Python 3.11 or later", "[Apache-2.0]"],
    "packages/infonoise-core/README.md": ["Licence: Apache-2.0."],
    "packages/infonoise-vision/README.md": [
        "Licence: Apache-2.0.",
        "0.2 to 1.5 million parameters",  # sizes of networks
        "55.7 million",
    ],
    "packages/infonoise-text/README.md": [
        "Licence: Apache-2.0.",
        "Python 3.11)",
        "90, 5 and 5 % of the bytes",  # how a corpus is divided
    ],
    "packages/infonoise-bio/README.md": [
        "Licence: Apache-2.0.",
        "10 % each go to val and test; clusters above 5 % of the data",  # the same
    ],
    "docs/choosing.md": [
        "sigma from 0.002",  # the grid of a table
        "multiplied by 0.01,",  # what was done to its data
    ],
    "docs/images.md": [
        "correlation 0.9",  # of a source, and of the solver on it
        "churn 0.2",
        "| 0.1 | two speeds |",  # a setting
        "below 0.001 at c = 0 and c = 0.1, and finds more than 0.4",  # asked for by a test
        "1.41 times the error",  # the square root of 2
        "55.7 million",
    ],
    "docs/trainers.md": ["SD 1.5 and SDXL", "a total variation below 0.1"],
    "docs/text.md": ["Churn (0.1 to 0.3)"],
    "docs/dna.md": ["0.5 means that the classifier", "4.6 million bases"],
    "docs/tutorials/own-loop.md": [
        "4 ln 2 = 2.773 nats",  # closed forms
        "5.545 nats",
        "comes down to 2.773",
    ],
}
# Pages about what was found at some time or by a tool without a results file, not the state now.
RECORDS = {
    "docs/decisions.md": "what was found when it was decided",
    "docs/training-at-scale.md": "columns computed: test_scale_guide; the rest: its bench",
    "docs/gallery.md": "written by docs/_ext/gallery.py",
    "docs/benchmarks/": "written by the bench commands",
}
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in [ROOT / "README.md", *ROOT.glob("packages/*/README.md"), *ROOT.glob("docs/**/*.md")]
    if "_build" not in page.parts and "_ext" not in page.parts
)
CHECKED = [page for page in PAGES if not page.startswith(tuple(RECORDS))]


def prose(text: str) -> str:
    return NOT_PROSE.sub(" ", text)


def typed(text: str, stated: list[str]) -> list[str]:
    """Numbers of a page that neither a marker nor the list explains."""
    for known in stated:
        text = text.replace(known, " ")
    return NUMBER.findall(prose(text))


@pytest.mark.parametrize("page", CHECKED)
def test_no_number_was_typed(page: str) -> None:
    text = (ROOT / page).read_text()
    found = typed(text, STATED.get(page, []))
    assert not found, "read it from docs/benchmarks, or say in STATED why nobody measured it"


@pytest.mark.parametrize("page", STATED)
def test_what_is_stated_is_still_there(page: str) -> None:
    text = (ROOT / page).read_text()
    assert page in CHECKED
    assert not [known for known in STATED[page] if known not in text]


def test_records_exist() -> None:
    assert all((ROOT / page).exists() for page in RECORDS)
    assert {"README.md", "packages/infonoise-bio/README.md", "docs/index.md"} <= set(CHECKED)


@pytest.mark.parametrize(
    "text",
    [
        "It wastes 12 % of the draws.", "It wastes 12% of them.", "| gain | 1.34 |",
        "training is 3 times shorter", "2.5x fewer", "4× as fast", "an error of 0.40 nats",
        "from <!-- benchmark: core / cost / x -->0.1%<!-- end --> to 0.2%",
    ],
)  # fmt: skip
def test_a_typed_number_is_found(text: str) -> None:
    assert len(typed(text, [])) == 1


@pytest.mark.parametrize(
    "text",
    [
        "8x8 digits of 64 pixels", "`--churn 0.2`", "{benchmark}`core / cost / 0.1`", "$0.5 x$",
        "    $ command --churn 0.2", "```text\n0.25\n```", "<!-- benchmark: a -->0.1<!-- end -->",
        "three lines, 600 updates", "[a page](file-1.5.md)",
    ],
)  # fmt: skip
def test_what_is_no_result_is_left_alone(text: str) -> None:
    assert not typed(text, [])


def test_package_pages_name_only_links_that_work_anywhere() -> None:
    # The package index shows these pages, and a path within the repository is dead there.
    for page in (ROOT / "packages").glob("*/README.md"):
        links = re.findall(r"\]\(([^)]+)\)", page.read_text())
        assert all(link.startswith("https://") for link in links), page
        assert Path(page.parent, "CHANGELOG.md").is_file()
