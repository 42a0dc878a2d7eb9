"""What a run of text costs where its validation was best, and the same over seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from of_text.runs import ORDERED, evaluated, validated
from suite import Tick

# In the names of what is read from left to right.
IN_ORDER = "blocks"


class Cost(NamedTuple):
    """Bits per byte of a split and their standard error over windows."""

    value: float
    error: float


def costs_at_best(run: Path, split: str, quick: bool, tick: Tick) -> dict[str, Cost]:
    """Row of evaluate's table -> cost, of either way of reading where its validation was best."""
    whole, ordered = validated(run)[0], validated(run, ORDERED)[0]
    found = _costs(run, split, whole, quick, tick)
    if ordered == whole:
        return found
    other = _costs(run, split, ordered, quick, tick)
    return {how: other[how] if IN_ORDER in how else cost for how, cost in found.items()}


def _costs(run: Path, split: str, step: int, quick: bool, tick: Tick) -> dict[str, Cost]:
    few = ("--windows", "8" if quick else "256", "--samples", "0", "--split", split)
    mark = split if step == validated(run)[0] else f"{split}-at-{step}"
    words = (*few, "--checkpoint", str(step))
    rows = evaluated(run, mark, tick, *words)["tables"][0]["rows"]
    key = "bits per byte"
    return {
        row["name"]: Cost(row["values"][key], row["stderr"].get(key, 0.0))
        for row in rows if key in row["values"]
    }  # fmt: skip


def own_costs(costs: Mapping[str, Cost], run: Path) -> dict[str, Cost]:
    """Those of the run itself."""
    return {how: cost for how, cost in costs.items() if run.name in how}


def best_of(costs: Mapping[str, Cost]) -> Cost:
    """Of all ways in which a model is scored, the lowest."""
    return min(costs.values())


def whole_of(costs: Mapping[str, Cost]) -> Cost:
    """The same of whole windows."""
    return best_of({how: cost for how, cost in costs.items() if IN_ORDER not in how})


def by_way(costs: Mapping[str, Cost]) -> dict[str, Cost]:
    """The same without the run's name: how it was scored -> cost."""
    return {how.partition("(")[2].rstrip(")").partition(", ")[2]: c for how, c in costs.items()}


def over_seeds(costs: Sequence[Cost]) -> tuple[float, float, float | None]:
    """Mean, the standard error over windows of one of them, and that of the mean over seeds."""
    values = [cost.value for cost in costs]
    spread = stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
    return mean(values), mean(cost.error for cost in costs), spread
