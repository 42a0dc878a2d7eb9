"""Runs of the first releases: their networks were linear patches, and their codes binary."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infonoise_text.methods.options import TextOptions
from infonoise_text.models.config import FORMERLY

# An option that came with the networks of tuples: settings without it are older.
_NEW = "tuples"


def as_today(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """A run's config.json with the name that its network has today."""
    if not _is_older(settings):
        return settings
    objective = dict(settings["objective"])
    objective["network"] = _named(objective.get("network"))
    return {**settings, "objective": objective}


def going_on(options: TextOptions, begun: Mapping[str, Any]) -> TextOptions:
    """The options of a command in the words of the release that began the run in its --out."""
    if not _is_older(begun):
        return options
    objective = options.objective
    return replace(
        options,
        objective=replace(
            objective,
            network=_named(objective.network),
            codes=objective.codes or "binary",
            loss=objective.loss or "edm",
        ),
    )


def _is_older(settings: Mapping[str, Any]) -> bool:
    objective = settings.get("objective")
    return isinstance(objective, Mapping) and _NEW not in objective


def _named(network: Any) -> Any:
    return FORMERLY.get(network, network) if isinstance(network, str) else network
