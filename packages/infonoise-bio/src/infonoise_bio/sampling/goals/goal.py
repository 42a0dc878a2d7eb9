"""What is to be high: scores of sequences, with or without gradients."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from infonoise_core.errors import InputError


class Goal:
    """Scores (n,) of sequences, given as shares of A C G T (n, 4, L), one-hot or in between.

    Args:
        score: (n, 4, L) float -> (n,) or (n, k), as tensors or anything that torch makes one of.
        column: Which of k.
        name: In messages.

    Attributes:
        smooth: Whether gradients of it can be had; None before `look`.
    """

    def __init__(self, score: Callable[[Tensor], Any], column: int = 0, name: str = "goal") -> None:
        self._score, self._column, self._name = score, column, name
        self.smooth: bool | None = None

    def __call__(self, shares: Tensor) -> Tensor:
        """Finite scores (n,), float64."""
        try:
            given = self._score(shares)
        except InputError:
            raise
        except Exception as error:  # whatever a program or a function of the user's own raises
            words = f"{_where(error)}{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise InputError(
                f"--oracle {self._name}: does not take sequences of shape {tuple(shares.shape)}"
                f" ({words}); it shall take any number of one-hot sequences of this length"
            ) from None
        try:
            found = torch.as_tensor(given)
        except (TypeError, ValueError, RuntimeError):
            raise InputError(
                f"--oracle {self._name}: gives a {type(given).__name__}; give numbers (n,) or"
                " (n, k)"
            ) from None
        if found.dim() == 1:
            found = found[:, None]
        if found.dim() != 2 or len(found) != len(shares) or self._column >= found.shape[1]:
            raise InputError(
                f"--oracle {self._name}: gives shape {tuple(found.shape)} for {len(shares)}"
                f" sequences, and output {self._column} is to be high; give (n, k)"
            )
        value = found[:, self._column].to(torch.float64)
        if not bool(value.detach().isfinite().all()):
            raise InputError(f"--oracle {self._name}: gives numbers that are not finite")
        return value

    def look(self, shares: Tensor) -> None:
        """Find out whether gradients can be had, of shares like these.

        Raises:
            InputError: Where the score cannot take them at all.
        """
        try:
            self.smooth = self(shares.clone().requires_grad_(True)).requires_grad
        except InputError:  # such as one that goes by way of numpy
            self(shares)
            self.smooth = False


def _where(error: Exception) -> str:
    """The line of the user's own function that was at fault, where there is one."""
    frames = traceback.extract_tb(error.__traceback__)[1:2]
    return "".join(f"{Path(at.filename).name}, line {at.lineno}: " for at in frames)
