"""Folders that `infonoise-bio baselines` leaves: what they are known by, and where each stopped."""

from pathlib import Path

from infonoise_core.files import read_json
from infonoise_core.folders.names import CONFIG_FILE
from infonoise_core.training.run_folder import read_run

COMMAND = "infonoise-bio baselines"
FILE = "baselines.json"


def is_of_baselines(run: Path) -> bool:
    """Whether a folder holds the models of `baselines`, each in one of its own."""
    there = (run / CONFIG_FILE).is_file()
    return there and read_run(run).get("command") == COMMAND


def step_key(name: str) -> str:
    """Of FILE: at which step the weights of a model were taken."""
    return f"{name}_step"


def stopped_at(model: Path) -> int | None:
    """The step at which a model was stopped.

    None, for the newest, while it is trained and in folders of before there was a choice.
    """
    file = model.parent / FILE
    if not file.is_file():
        return None
    step = read_json(file, "run baselines again").get(step_key(model.name))
    return step if isinstance(step, int) else None
