"""`infonoise-vision report`: one page about a run."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.progress import progress
from infonoise_vision.commands.evaluate import EVALUATION_FILE
from infonoise_vision.commands.generate import labels
from infonoise_vision.evaluation.page import write_page
from infonoise_vision.sampling.images import SHOWN, png_grid
from infonoise_vision.sampling.trained import TrainedRun, open_trained


@dataclass(frozen=True)
class Report:
    """Write one HTML page: images, measures, profile and curves of a run."""

    run: Positional[Path]
    """the --out of a train command"""
    out: Path | None = None
    """HTML file to write, in place of report.html in the run"""
    data: str | None = None
    """the images, if they have moved since training"""
    overwrite: bool = False
    """replace the file --out"""
    sampler: OmitArgPrefixes[SamplerConfig] = field(
        default_factory=lambda: SamplerConfig(grid="karras")
    )


def run_report(config: Report) -> None:
    """Generate some images, and write the page."""
    out = config.out or config.run / "report.html"
    if out.is_dir():
        raise InputError(f"--out {out} is a folder: give a file name")
    if out.exists() and not config.overwrite:
        raise InputError(f"--out {out} exists: give another name or --overwrite")
    run = open_trained(config.run, config.sampler.device)
    images = pictures(run, config)
    write_page(out, run, images, measured(config.run))
    print(f"{out}: written")


def pictures(run: TrainedRun, config: Report) -> dict[str, bytes]:
    """Held-out images; and generated ones, or the same completed where the run was trained so."""
    _, held_out = run.images(config.data)
    rows = np.arange(min(SHOWN, len(held_out)))
    real = held_out.x0(rows)
    sampling, condition = run.sampling(config.sampler), run.condition()
    shown = {"held-out images": png_grid(real / run.objective.scale)}
    if condition is None:
        given = labels(run, None, range(len(rows)))
        caption = "generated images"
    else:
        given = run.conditioning(held_out, rows, config.sampler.seed)
        caption = f"the same, drawn with --condition {run.objective.condition}"
    denoiser = run.guided_denoiser(config.sampler.guidance, config.sampler.seed, run.null())
    with progress(len(rows), "sample") as reporter:
        parts = list(
            sampling.chunks(
                denoiser, run.shape, len(rows), given, run.device,
                lambda done, _: reporter.advance(done),
            )
        )  # fmt: skip
    x0 = torch.cat([part.x for part in parts])
    shown[f"{caption}, {parts[-1].nfe} denoiser calls each"] = png_grid(x0 / run.objective.scale)
    return shown


def measured(run: Path) -> list[list[str]]:
    """The rows that the last `evaluate` left in the run; none where there was none."""
    file = run / EVALUATION_FILE
    if not file.exists():
        return []
    try:
        measures: list[dict[str, Any]] = json.loads(file.read_text())["measures"]
        return [
            [row["name"], _number(row["value"]), _number(row["floor"]), row["better"]]
            for row in measures
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: damaged; run evaluate again") from error


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
