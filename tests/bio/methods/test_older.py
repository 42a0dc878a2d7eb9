"""Earlier runs with options that did nothing, which are refused today, are opened and go on."""

from pathlib import Path
from typing import Any

import pytest

from infonoise_bio.domain import DnaDomain
from infonoise_bio.interface import INTERFACE
from infonoise_bio.methods.older import as_today
from infonoise_core.app.trained import options_of
from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError
from infonoise_core.training.run_folder import check_run, open_run

DOMAIN = DnaDomain(INTERFACE)
# Options of an earlier run -> those of a command that goes on with it.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "unlabelled": ({"unlabelled": True}, {}),
    "chromosomes": ({"splitting": {"test_chromosomes": "chr2"}}, {}),
    "column": (
        {"splitting": {"split": "region", "split_column": "fold"}},
        {"splitting": {"split": "region"}},
    ),
    "chromosomes and column": (
        {"splitting": {"split": "similarity", "val_chromosomes": "1, 2", "split_column": "part"}},
        {"splitting": {"split": "similarity"}},
    ),
    "chromosome of both parts": (
        {"splitting": {"split": "chromosome", "val_chromosomes": "1,2", "test_chromosomes": "2"}},
        {"splitting": {"split": "chromosome", "val_chromosomes": "1", "test_chromosomes": "2"}},
    ),
}


def _settings(examples: dict[str, Any]) -> dict[str, Any]:
    return {"command": "infonoise-bio train", "objective": {"strand": "both"}, "examples": examples}


@pytest.mark.parametrize(("earlier", "today"), CASES.values(), ids=CASES)
def test_options_that_did_nothing_are_none_of_an_earlier_runs(
    earlier: dict[str, Any], today: dict[str, Any], tmp_path: Path
) -> None:
    assert options_of(DOMAIN, _settings(earlier)) == options_of(DOMAIN, _settings(today))
    whole = {**_settings(today), **settings_of(options_of(DOMAIN, _settings(today)))}
    examples = {**whole["examples"], **earlier}
    examples["splitting"] = {**whole["examples"]["splitting"], **earlier.get("splitting", {})}
    out = tmp_path / "run"
    open_run(out, {**whole, "examples": examples}, overwrite=False, finished="done.json")
    know = {"overwrite": False, "finished": "done.json", "kind": INTERFACE.options}
    assert check_run(out, whole, today=DOMAIN.as_today, **know)
    with pytest.raises(InputError, match="other settings"):
        check_run(out, whole, **know)


@pytest.mark.parametrize(
    "begun",
    [
        {},
        {"examples": {"label": "kind", "unlabelled": True, "splitting": {"split_column": "part"}}},
        {
            "examples": {
                "label": None,
                "unlabelled": False,
                "splitting": {
                    "split": "chromosome",
                    "test_chromosomes": "1",
                    "val_chromosomes": "2",
                },
            }
        },
    ],
)
def test_those_that_did_something_are_left_alone(begun: dict[str, Any]) -> None:
    assert as_today(begun) == begun
