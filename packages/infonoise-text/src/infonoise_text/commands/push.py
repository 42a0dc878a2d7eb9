"""`infonoise-text push` and `pull`: a trained run, its tokenizer and codes, for others to use."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import infonoise_text
from infonoise_core.app.push import Shareable, pull_model, push_model
from infonoise_core.hub.options import Pull, Push
from infonoise_text.methods.assets import CLUSTERS_FILE, CODES_FILE, TOKENIZER_FOLDER
from infonoise_text.methods.clusters.schedule import CLUSTERS_PROFILE
from infonoise_text.methods.trained import COMMAND, open_trained


def run_push(config: Push) -> None:
    """Share a run's network."""
    push_model(config, DOMAIN)


def run_pull(config: Pull) -> None:
    """Fetch one."""
    pull_model(config, DOMAIN)


def _about(settings: Mapping[str, Any]) -> dict[str, str]:
    tokens, objective = settings["tokens"], settings["objective"]
    return {
        "tokens": f"{tokens['train']:,}, in windows of {objective['length']}",
        "tokenizer": f"{tokens['tokenizer']}, {tokens['vocabulary']:,} entries",
        "method": settings["method"],
        "codes": objective["codes"],
        "network": objective["network"],
    }


DOMAIN = Shareable(
    program="infonoise-text",
    version=infonoise_text.__version__,
    command=COMMAND,
    data=lambda settings: str(settings["tokens"]["name"]),
    about=_about,
    use="sample model",
    tags=("infonoise", "diffusion", "text-generation"),
    open=partial(open_trained, device="cpu"),
    keep=(TOKENIZER_FOLDER, CODES_FILE, CLUSTERS_FILE, CLUSTERS_PROFILE),
)
