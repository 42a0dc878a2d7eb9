"""Runs of earlier releases: networks saw fewer neighbours, and the first were linear patches."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infonoise_text.methods.options import Objective, TextOptions
from infonoise_text.models.config import FORMERLY

# Options that came with a change of the networks: settings without them are older.
_TUPLES, _REACH = "tuples", "reach"
# What every network that took up neighbours saw of them.
_FORMER_REACH = 1


def as_today(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """A run's config.json with the name and the reach that its network has today."""
    objective = settings.get("objective")
    if not isinstance(objective, Mapping) or _REACH in objective:
        return settings
    today = {**objective, _REACH: _FORMER_REACH}
    if _TUPLES not in objective:
        today["network"] = _named(objective.get("network"))
    return {**settings, "objective": today}


def going_on(options: TextOptions, begun: Mapping[str, Any]) -> TextOptions:
    """The options of a command in the words of the release that began the run in its --out."""
    found = begun.get("objective")
    if not isinstance(found, Mapping):
        return options
    objective = options.objective
    if _REACH not in found and objective.reach == Objective.reach:
        objective = replace(objective, reach=_FORMER_REACH)
    if _TUPLES not in found:
        objective = replace(
            objective,
            network=_named(objective.network),
            codes=objective.codes or "binary",
            loss=objective.loss or "edm",
        )
    return replace(options, objective=objective)


def _named(network: Any) -> Any:
    return FORMERLY.get(network, network) if isinstance(network, str) else network
