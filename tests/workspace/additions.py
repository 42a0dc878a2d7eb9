"""The smallest schedule, format and solver, as ARCHITECTURE.md says to add them.

For each, the files that change: a new one by its text, another by texts that stand in it once and
what takes their place.
"""

from pathlib import Path

ROOT = Path(__file__).parents[2]
_CORE = "packages/infonoise-core/src/infonoise_core"
_VISION = "packages/infonoise-vision/src/infonoise_vision"


_TRIANGULAR = '''
"""A triangle over the whole span of log sigma."""

import torch
from torch import Tensor

from infonoise_core.schedules.fixed import FixedLaw


class Triangular(FixedLaw):
    """log sigma has a density that rises to the middle of the channel's span and falls again."""

    def _unit(self, log_sigma: Tensor) -> Tensor:
        low, high = torch.tensor([self.channel.sigma_min, self.channel.sigma_max]).log().tolist()
        return ((log_sigma - low) / (high - low)).clamp(0, 1)

    def _cdf(self, log_sigma: Tensor) -> Tensor:
        u = self._unit(log_sigma)
        return torch.where(u < 0.5, 2 * u**2, 1 - 2 * (1 - u) ** 2)

    def _quantile(self, p: Tensor) -> Tensor:
        low, high = torch.tensor([self.channel.sigma_min, self.channel.sigma_max]).log().tolist()
        u = torch.where(p < 0.5, (p / 2).sqrt(), 1 - ((1 - p) / 2).sqrt())
        return low + u * (high - low)

    def _pdf(self, log_sigma: Tensor) -> Tensor:
        low, high = torch.tensor([self.channel.sigma_min, self.channel.sigma_max]).log().tolist()
        u = self._unit(log_sigma)
        return (2 - (4 * u - 2).abs()) / (high - low)
'''

_IMPORT = "from infonoise_core.schedules.infonoise import"

SCHEDULE = {
    f"{_CORE}/schedules/triangular.py": _TRIANGULAR,
    f"{_CORE}/schedules/registry.py": {
        _IMPORT: f"from infonoise_core.schedules.triangular import Triangular\n{_IMPORT}",
        '    "uniform-t": ': (
            '    "triangular": lambda context: Triangular(context.channel),\n    "uniform-t": '
        ),
    },
    f"{_CORE}/__init__.py": {
        f"    {_IMPORT}": (
            f"    from infonoise_core.schedules.triangular import Triangular\n    {_IMPORT}"
        ),
        '    "UniformTime",\n': '    "Triangular",\n    "UniformTime",\n',
        '    "schedules.infonoise": "InfoNoise",\n': (
            '    "schedules.infonoise": "InfoNoise",\n    "schedules.triangular": "Triangular",\n'
        ),
    },
}

_RAW = '''
"""Raw grey images of 8x8 bytes, one after another."""

from pathlib import Path

import numpy as np

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.arrays import Arrays


def read_raw(path: Path) -> Arrays:
    """All images of the file in 256 grey levels."""
    content = np.fromfile(path, np.uint8)
    if not content.size or content.size % 64:
        raise InputError(f"{path}: {content.size} bytes; give 64 for each image")
    return Arrays(path.stem, content.reshape(-1, 1, 8, 8), 256)
'''

_NPZ = '    if path.suffix.lower() == ".npz":\n'

FORMAT = {
    f"{_VISION}/data/formats/raw.py": _RAW,
    f"{_VISION}/data/open.py": {
        _NPZ: (
            '    if path.suffix.lower() == ".raw":\n'
            "        from infonoise_vision.data.formats.raw import read_raw\n\n"
            f"        return Opened(read_raw(path))\n{_NPZ}"
        )
    },
}

_MIDPOINT = '''
class Midpoint:
    """Second order, two calls a step: the slope half way down."""

    def step(self, denoise: Denoise, x: Tensor, sigma: float, lower: float) -> Tensor:
        half = (sigma + lower) / 2
        middle = x + (half - sigma) * (x - denoise(x, sigma)) / sigma
        return x + (lower - sigma) * (middle - denoise(middle, half)) / half


'''

SOLVER = {
    f"{_CORE}/sampling/solvers.py": {
        "SOLVERS: ": _MIDPOINT.lstrip("\n") + "SOLVERS: ",
        '    "heun": Heun,\n': '    "heun": Heun,\n    "midpoint": Midpoint,\n',
    },
    f"{_CORE}/sampling/options.py": {
        'SOLVERS = ("euler", "heun",': 'SOLVERS = ("euler", "heun", "midpoint",',
        '"""euler, heun,': '"""euler, heun, midpoint,',
    },
}

ADDITIONS: dict[str, dict[str, str | dict[str, str]]] = {
    "schedule": SCHEDULE,
    "format": FORMAT,
    "solver": SOLVER,
}


def add(addition: dict[str, str | dict[str, str]], root: Path) -> None:
    """Change the copy of the packages in `root`."""
    for name, change in addition.items():
        path = root / name
        if isinstance(change, str):
            assert not path.exists(), name
            path.write_text(change.lstrip("\n"))
            continue
        text = path.read_text()
        for old, new in change.items():
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        path.write_text(text)
