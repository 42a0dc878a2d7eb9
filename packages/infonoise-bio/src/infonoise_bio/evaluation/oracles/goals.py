"""Goals by name: an output of a program of torch.export, or of the user's own Python."""

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infonoise_bio.evaluation.oracles.exported import load_program
from infonoise_bio.sampling.goals.goal import Goal
from infonoise_core.errors import InputError


def load_goal(oracle: str, maximise: str) -> Goal:
    """A goal by name.

    Args:
        oracle: A program (.pt2), or module:function or file.py:function of Python.
        maximise: The output's number from 0, or a name in the function's list `names`.
    """
    if oracle.endswith(".pt2"):
        try:
            score: Any = load_program(Path(oracle))
        except InputError as error:
            raise InputError(f"--oracle {error}") from None
    else:
        score = _python(oracle)
    names = _names(score)
    if maximise in names:
        return Goal(score, names.index(maximise), oracle)
    if not maximise.isdecimal():
        there = f"; there are {', '.join(names)}" if names else ""
        raise InputError(f"--maximise {maximise}: give the number of an output, from 0{there}")
    return Goal(score, int(maximise), oracle)


def _names(score: Any) -> list[str]:
    """Those that a function gives its outputs: several, or one alone."""
    given = getattr(score, "names", ())
    if isinstance(given, str):
        return [given]
    return [str(name) for name in given] if isinstance(given, Iterable) else []


def _python(oracle: str) -> Any:
    """The function that a text names, from a module or a file."""
    place, colon, name = oracle.rpartition(":")
    if not colon or not place or not name.isidentifier():
        raise InputError(
            f"--oracle {oracle}: give a program of torch.export (.pt2), or module:function or"
            " file.py:function"
        )
    try:
        if place.endswith(".py"):
            if not Path(place).is_file():
                raise InputError(f"--oracle {oracle}: no such file {place}")
            spec = importlib.util.spec_from_file_location("infonoise_oracle", place)
            if spec is None or spec.loader is None:
                raise InputError(f"--oracle {oracle}: {place} cannot be imported")
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
    except InputError:
        raise
    except ModuleNotFoundError as error:
        raise InputError(
            f"--oracle {oracle}: cannot be imported ({error}); install it, name its folder in"
            " PYTHONPATH, or give file.py:function"
        ) from None
    except (Exception, SystemExit) as error:  # whatever a file of the user's own does
        words = " ".join(str(error).split())[:200]
        raise InputError(
            f"--oracle {oracle}: cannot be imported ({type(error).__name__}: {words})"
        ) from None
    found = getattr(module, name, None)
    if not callable(found):
        raise InputError(f"--oracle {oracle}: {place} has no function {name}")
    return found
