"""Networks of the user's own, by the name of what makes them: `--network module:callable`.

The callable is given `registry.Inputs`, what the network must fit, and returns an nn.Module that is
called as ours are: `F(x, c_noise, **condition)`. Its module is imported from where Python finds it;
nothing that lies in a run is.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError

_WORDS = 200


def own_network(
    name: str, inputs: object, x: Tensor, condition: Mapping[str, Tensor], channels: int
) -> nn.Module:
    """A fresh network, tried once.

    Args:
        name: module:callable.
        inputs: What the callable is given.
        x: (1, c, h, w) an image to try it on.
        condition: What comes with it, a row each.
        channels: Of the result.

    Raises:
        InputError: Where it cannot be imported, made or called, or gives something else.
    """
    make = _imported(name)
    shown = "x".join(map(str, x.shape[1:]))
    try:
        network = make(inputs)
    except Exception as error:
        raise InputError(
            f"--network {name}: makes no network of images of {shown} ({_words(error)})"
        ) from error
    if not isinstance(network, nn.Module):
        raise InputError(
            f"--network {name}: gives a {type(network).__name__} and no nn.Module; give what makes"
            " one of its one argument, infonoise_vision.models.registry.Inputs"
        )
    expected = (1, channels, *x.shape[2:])
    training = network.training
    try:
        with torch.no_grad(), torch.random.fork_rng():
            found = network.eval()(x, torch.zeros(1), **condition)
    except Exception as error:
        given = ", ".join(("x", "c_noise", *condition))
        raise InputError(
            f"--network {name}: cannot be called with {given} for images of {shown}"
            f" ({_words(error)})"
        ) from error
    if not isinstance(found, Tensor) or found.shape != expected:
        what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputError(f"--network {name}: gives {what} for one image, and is to give {expected}")
    return network.train(training)


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        raise InputError(
            f"--network {name}: {module} cannot be imported ({_words(error)}); install it, or name"
            " its folder in PYTHONPATH"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise InputError(f"--network {name}: {module} has no {attribute}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"--network {name}: {attribute} cannot be called; give what makes one")
    return found


def _words(error: Exception) -> str:
    text = " ".join(str(error).split())[:_WORDS]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
