"""Runs of earlier releases: groups predicted, a shorter reach, and before that linear patches."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infonoise_text.methods.options import Objective, TextOptions
from infonoise_text.models.config import FORMERLY, PRESETS

# Options that came with a change of the networks: settings without them are older.
_TUPLES, _REACH, _PREDICT = "tuples", "reach", "predict"
# Those that came with the prediction of tokens: earlier runs learned whole windows, and groups.
_BEFORE_TOKENS: dict[str, Any] = {"predict": "groups", "block": 0}
# Runs without it learned blocks at every noise level.
_NOISE = "block_noise"
# What every network that took up neighbours saw of them.
_FORMER_REACH = 1


def as_today(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """A run's config.json with the name, the reach and the answer that its network has today."""
    objective = settings.get("objective")
    if not isinstance(objective, Mapping):
        return settings
    today = dict(objective)
    if _TUPLES not in objective:
        today["network"] = _named(objective.get("network"))
    today.setdefault(_REACH, _FORMER_REACH)
    if _PREDICT not in objective and _has_tuples(today.get("network")):
        today.update(_BEFORE_TOKENS)
    if _has_tuples(today.get("network")):
        today.setdefault(_NOISE, True)
    return settings if today == objective else {**settings, "objective": today}


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
    elif _PREDICT not in found and _has_tuples(objective.network):
        asked = {name: getattr(objective, name) for name in _BEFORE_TOKENS}
        given = {name: value for name, value in asked.items() if value is not None}
        objective = replace(objective, **{**_BEFORE_TOKENS, **given})
    if _NOISE not in found and _has_tuples(objective.network):
        objective = replace(objective, block_noise=True)
    return replace(options, objective=objective)


def _has_tuples(network: Any) -> bool:
    return isinstance(network, str) and network in PRESETS and PRESETS[network].tuples


def _named(network: Any) -> Any:
    return FORMERLY.get(network, network) if isinstance(network, str) else network
