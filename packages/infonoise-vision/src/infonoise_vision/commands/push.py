"""`infonoise-vision push` and `pull`: a trained run as files that others can use."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import infonoise_vision
from infonoise_core.app.push import Shareable, pull_model, push_model
from infonoise_core.hub.options import Pull, Push
from infonoise_vision.sampling.trained import COMMAND, open_trained


def run_push(config: Push) -> None:
    """Share a run's network."""
    push_model(config, DOMAIN)


def run_pull(config: Pull) -> None:
    """Fetch one."""
    pull_model(config, DOMAIN)


def _about(settings: Mapping[str, Any]) -> dict[str, str]:
    images, objective = settings["images"], settings["objective"]
    rows = {
        "images": f"{images['train']:,}, {'x'.join(map(str, images['shape']))}",
        "network": objective["network"],
    }
    if objective["conditional"]:
        rows["classes"] = ", ".join(images["classes"])
    if objective["condition"] is not None:
        rows["condition"] = objective["condition"]
    return rows


DOMAIN = Shareable(
    program="infonoise-vision",
    version=infonoise_vision.__version__,
    command=COMMAND,
    data=lambda settings: str(settings["images"]["name"]),
    about=_about,
    use="sample model --out images.png",
    tags=("infonoise", "diffusion", "images", "unconditional-image-generation"),
    open=partial(open_trained, device="cpu"),
)
