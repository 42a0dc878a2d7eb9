"""report.html of one run: what it generates, what it has measured and how it got there."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import torch

import infonoise_core
import infonoise_vision
from infonoise_core.files import write_text
from infonoise_core.plot import draw_history, draw_profile, figure, to_svg
from infonoise_core.training.run_folder import METRICS_FILE, profile_if_any
from infonoise_vision.sampling.trained import TrainedRun

Record = dict[str, Any]


def write_page(
    path: Path, run: TrainedRun, images: Mapping[str, bytes], rows: list[list[str]]
) -> None:
    """One file that opens offline.

    Args:
        images: Caption -> PNG.
        rows: Of the table of measures.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("infonoise_vision.evaluation", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    name = run.settings["images"]["name"]
    shape = "x".join(map(str, run.shape))
    page = environment.get_template("page.html.j2").render(
        title=f"{name}: {run.path.resolve().name}",
        about=f"{run.settings['images']['train']} images {shape}, schedule"
        f" {run.settings['schedule']}, network {run.objective.network}, {run.step} steps",
        rows=rows,
        images={k: base64.b64encode(v).decode() for k, v in images.items()},
        figures=figures(run.path),
        settings=run.settings,
        versions={
            "infonoise-core": infonoise_core.__version__,
            "infonoise-vision": infonoise_vision.__version__,
            "torch": torch.__version__,
        },
    )
    write_text(path, page)


def figures(run: Path) -> dict[str, str]:
    """Caption -> svg, of what the run has: evaluations, loss, profile, density over time."""
    records = _records(run / METRICS_FILE)
    found: dict[str, str] = {}
    evaluations = [(r["step"], r["evaluate"]) for r in records if "evaluate" in r]
    names = [k for k in evaluations[-1][1] if not k.endswith("_stderr")] if evaluations else []
    for name in names:
        curve = [(step, values[name]) for step, values in evaluations if name in values]
        found[f"{name} of held-out images. Lower is better."] = _line(curve, name)
    losses = [(r["step"], r["loss"]) for r in records if "loss" in r]
    if losses:
        found["Training loss, mean since the point before."] = _line(losses, "loss")
    profile = profile_if_any(run)
    if profile is not None:
        fig, ax = figure()
        draw_profile(ax, profile)
        found["Entropy rate of the images as the training losses show it."] = to_svg(fig)
    densities = [(r["step"], r["density"]) for r in records if "density" in r]
    if len(densities) > 1:
        fig, ax = figure()
        steps, curves = zip(*densities, strict=True)
        draw_history(ax, steps, curves[0]["sigma"], [curve["density"] for curve in curves])
        found["The distribution noise levels were drawn from, as it changed."] = to_svg(fig)
    return found


def _line(points: list[tuple[int, float]], label: str) -> str:
    fig, ax = figure()
    steps, values = zip(*points, strict=True)
    ax.plot(steps, values, "o-", markersize=3, linewidth=1.4)
    ax.set(xlabel="steps", ylabel=label)
    return to_svg(fig)


def _records(file: Path) -> list[Record]:
    """The whole lines of the run's metrics: a kill may have cut the last."""
    records: list[Record] = []
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records
