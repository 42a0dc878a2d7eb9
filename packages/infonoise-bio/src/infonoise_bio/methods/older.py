"""Runs of earlier releases, which took options of data that did nothing; today they are refused."""

from collections.abc import Mapping
from typing import Any

from infonoise_bio.data.options import Splitting


def as_today(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """A run's config.json without those of its options that changed nothing of its data."""
    examples = settings.get("examples")
    if not isinstance(examples, Mapping):
        return settings
    today = dict(examples)
    if today.get("label") is None and "unlabelled" in today:
        today["unlabelled"] = False
    splitting = today.get("splitting")
    if isinstance(splitting, Mapping):
        today["splitting"] = {**splitting, **_without_effect(splitting)}
    return settings if today == examples else {**settings, "examples": today}


def _without_effect(splitting: Mapping[str, Any]) -> dict[str, Any]:
    """Options that the way of splitting never looked at -> their defaults."""
    split, changed = splitting.get("split", Splitting.split), dict[str, Any]()
    val, test = (str(splitting.get(f"{part}_chromosomes", "")) for part in ("val", "test"))
    if split != "chromosome":
        changed.update(val_chromosomes="", test_chromosomes="")
    elif both := set(Splitting.chromosomes(val)) & set(Splitting.chromosomes(test)):
        # One that was given for both parts was the test's.
        left = [name for name in Splitting.chromosomes(val) if name not in both]
        changed.update(val_chromosomes=",".join(left))
    if split not in ("auto", "column"):
        changed.update(split_column=Splitting.split_column)
    return {name: value for name, value in changed.items() if name in splitting}
