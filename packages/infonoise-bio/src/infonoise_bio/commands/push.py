"""`infonoise-bio push` and `pull`: a trained run as files that others can use."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import infonoise_bio
from infonoise_bio.methods.trained import COMMAND, open_trained
from infonoise_core.app.push import Shareable, pull_model, push_model
from infonoise_core.hub.options import Pull, Push


def run_push(config: Push) -> None:
    """Share a run's network."""
    push_model(config, DOMAIN)


def run_pull(config: Pull) -> None:
    """Fetch one."""
    pull_model(config, DOMAIN)


def _about(settings: Mapping[str, Any]) -> dict[str, str]:
    sequences, objective = settings["sequences"], settings["objective"]
    rows = {
        "sequences": f"{sequences['train']:,}, of {sequences['length']} bases",
        "strand": objective["strand"],
        "encoding": objective["encoding"],
        "network": f"{objective['network']}, {objective['size']}",
    }
    named = {"classes": sequences["classes"], "numbers": sequences["numbers"]}
    return {**rows, **{name: ", ".join(values) for name, values in named.items() if values}}


DOMAIN = Shareable(
    program="infonoise-bio",
    version=infonoise_bio.__version__,
    command=COMMAND,
    data=lambda settings: str(settings["sequences"]["name"]),
    about=_about,
    use="sample model --out designs.fa",
    tags=("infonoise", "diffusion", "biology", "DNA"),
    open=partial(open_trained, device="cpu"),
)
