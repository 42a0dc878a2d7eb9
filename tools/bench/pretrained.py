"""Better steps for models that another library trained: measured levels against stock ones.

python tools/bench/pretrained.py

A section is kept when it is finished, and the trained models are kept beside: with --resume nothing
is run twice.
"""

from functools import partial

from of_pretrained import steps
from of_pretrained.foreign import Model
from suite import Suite

MODELS = (
    Model("fashion-epsilon", "Diffusers' U-Net, epsilon under DDPM, Fashion-MNIST at 14x14",
          "fashion", False),
    Model("patches-epsilon", "The same on colour patches of photographs at 16x16", "patches",
          False),
    Model("fashion-flow", "Diffusers' U-Net, flow matching, Fashion-MNIST at 14x14", "fashion",
          True),
)  # fmt: skip
SUITE = Suite(
    "pretrained", "Better steps for models of another library",
    {model.name: partial(steps.section, model) for model in MODELS},
)  # fmt: skip

if __name__ == "__main__":
    SUITE.main()
