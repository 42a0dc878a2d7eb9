"""What a network may predict, and the names that libraries have for it."""

from typing import Any, Literal, get_args

from infonoise_core.errors import InputError

Prediction = Literal["x0", "epsilon", "v", "velocity", "score", "F"]

PREDICTIONS: tuple[Prediction, ...] = get_args(Prediction)
# Names of diffusers, and of lucidrains' denoising-diffusion-pytorch.
_OTHER_NAMES: dict[str, Prediction] = {
    "sample": "x0",
    "x_start": "x0",
    "pred_x0": "x0",
    "eps": "epsilon",
    "noise": "epsilon",
    "pred_noise": "epsilon",
    "v_prediction": "v",
    "pred_v": "v",
    "flow": "velocity",
    "flow_prediction": "velocity",
}


def named_prediction(name: Any) -> Prediction:
    """The prediction of that name, ours or a library's; InputError names those there are."""
    if name in PREDICTIONS:
        return name  # type: ignore[no-any-return]
    if isinstance(name, str) and name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    raise InputError(
        f"prediction {name!r} is not known: give {', '.join(PREDICTIONS[:-1])} or"
        f" {PREDICTIONS[-1]}, or diffusers' sample, epsilon, v_prediction or flow_prediction"
    )
