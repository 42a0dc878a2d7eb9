"""Classes of the images that are generated."""

from collections.abc import Sequence

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_vision.sampling.options import NO_CLASS
from infonoise_vision.sampling.trained import ImageRun


def labels(run: ImageRun, name: str | None, places: Sequence[int]) -> dict[str, Tensor]:
    """Keyword arguments that give a run's denoiser the classes of n images.

    Args:
        name: Of one class for all, or NO_CLASS; None gives each class in turn.
        places: (n,) place of each image, or its seed, by which classes take turns.

    Returns:
        (n, ...) each; empty for a run without classes.

    Raises:
        InputError: For a name that it does not know, where it knows no classes at all, and for
            none where it was never trained without.
    """
    classes, objective = run.classes, run.objective
    if not (objective.conditional or objective.condition == "label"):
        if name is not None:
            raise InputError(
                f"--label {name}: {run.path} knows no classes; train with --conditional"
            )
        return {}
    n = len(places)
    label = torch.tensor(places) % len(classes)
    if name is not None:
        label = torch.full((n,), class_index(name, classes))
    key = "label" if objective.conditional else "withheld"
    if name is not None and int(label[0]) == len(classes) and key not in run.null():
        raise InputError(
            f"--label {NO_CLASS}: {run.path} was never trained without a class; give one, or train"
            " with a --label-dropout or --condition-dropout above 0"
        )
    given = {"label": label} if objective.conditional else {}
    condition = run.condition()
    if condition is not None and objective.condition == "label":
        blank = torch.zeros(1).expand(n, *run.shape)
        given |= condition.observe(blank, label.clamp_max(len(classes) - 1))
        given["withheld"] = label == len(classes)
    return given


def class_index(name: str, classes: tuple[str, ...]) -> int:
    """Of a class by its name or else its number; len(classes) for none."""
    if name in classes:
        return classes.index(name)
    if name == NO_CLASS:
        return len(classes)
    if name.isdecimal() and int(name) < len(classes):
        return int(name)
    shown = ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")
    raise InputError(
        f"--label {name}: no such class; give a number from 0 to {len(classes) - 1} or one of"
        f" {shown}"
    )
