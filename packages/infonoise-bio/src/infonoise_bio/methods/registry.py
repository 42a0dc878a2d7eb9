"""The ways to learn a generative model of bases, by name."""

from collections.abc import Mapping

from infonoise_bio.methods.autoregressive import Autoregressive
from infonoise_bio.methods.base import Method
from infonoise_bio.methods.diffusion import Diffusion
from infonoise_bio.methods.masked import Masked

DIFFUSION: Method = Diffusion()
# What diffusion is compared with, in the order of the tables.
BASELINES: Mapping[str, Method] = {method.name: method for method in (Masked(), Autoregressive())}
