"""README.md of what is shared: what it is, what it measured, and how to use it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from infonoise_core.profiles.profile import EntropyRateProfile

_ABOUT_PROFILE = (
    "`profile.json` says how fast noise destroys information about the data: nats per unit of log"
    " sigma and example, with standard errors. It is an upper bound, for no network is better than"
    " the best denoiser."
)


def model_card(
    program: str,
    about: Mapping[str, str],
    measures: Mapping[str, float],
    measured_at: int,
    profile: EntropyRateProfile | None,
    versions: Mapping[str, str],
    commands: Sequence[str],
    tags: Sequence[str],
) -> str:
    """Markdown, with the front matter that the hub reads.

    Args:
        about: Rows of the table, the name of the data among them.
        measures: Of the last evaluation, which came after `measured_at` optimizer steps,
            `<name>_stderr` beside a name that has one.
        commands: How to get and to use it.
    """
    parts = [
        _front_matter(tags),
        f"# {program}: {_inline(about['data'])}",
        f"A model trained with [{program}](https://pypi.org/project/{program}/); the"
        " weights are the average over training.",
        _table(about),
    ]
    if measures:
        parts += [
            "## Measures",
            f"On held-out examples, after {measured_at:,} updates.\n\n{_measures(measures)}",
        ]
    if profile is not None:
        parts += ["## Where noise destroys the information", _profile(profile)]
    parts += [
        "## Use",
        "\n".join(f"    {line}" for line in commands),
        "The folder stands wherever a command takes the `--out` of a training.",
        _made_with(versions),
    ]
    return "\n\n".join(parts) + "\n"


def profile_card(
    profile: EntropyRateProfile, versions: Mapping[str, str], commands: Sequence[str]
) -> str:
    """The same for a profile alone."""
    return (
        "\n\n".join(
            [
                _front_matter(["infonoise", "diffusion", "noise-schedule"]),
                "# An entropy-rate profile",
                _profile(profile),
                "## Use",
                "\n".join(f"    {line}" for line in commands),
                _made_with(versions),
            ]
        )
        + "\n"
    )


def _front_matter(tags: Sequence[str]) -> str:
    lines = "\n".join(f"- {tag}" for tag in tags)
    return f"---\nlibrary_name: infonoise\ntags:\n{lines}\n---"


def _table(rows: Mapping[str, str]) -> str:
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "| --- | --- |", *lines])


def _measures(measures: Mapping[str, float]) -> str:
    rows = {}
    for name, value in measures.items():
        if name.endswith("_stderr"):
            continue
        stderr = measures.get(f"{name}_stderr")
        rows[name] = f"{value:.4f}" if stderr is None else f"{value:.4f} ± {stderr:.4f}"
    return _table(rows)


def _profile(profile: EntropyRateProfile) -> str:
    low, high = float(profile.edges[0]), float(profile.edges[-1])
    entropy, stderr = profile.entropy(), profile.entropy_stderr()
    error = f" ± {stderr:.2g}" if math.isfinite(stderr) else ""
    found = f"Between sigma {low:g} and {high:g}: {entropy:.4g}{error} nats per example"
    if entropy > 0:
        half = profile.quantile(torch.tensor([0.5], dtype=torch.float64))
        found += f", half of them lost below sigma {float(half[0]):.3g}"
    return f"{_ABOUT_PROFILE}\n\n{found}."


def _made_with(versions: Mapping[str, str]) -> str:
    return f"Made with {', '.join(f'{k} {v}' for k, v in versions.items())}."


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as the JSON standard knows them: None for NaN and infinities."""
    return {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()
    }


def _cell(text: str) -> str:
    return _inline(text).replace("|", "\\|")


def _inline(text: str) -> str:
    """One line: a name comes from the user's files and may hold anything."""
    return " ".join(text.split())
