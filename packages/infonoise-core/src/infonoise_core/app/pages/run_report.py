"""The verb `report` of every domain: one page about a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.app.options import ReportOptions
from infonoise_core.app.pages.page import BELIEVED, BEYOND, Page, Section, TableCells, write_page
from infonoise_core.app.profile import believed_of
from infonoise_core.app.trained import TrainedRun, data_of, open_trained
from infonoise_core.evaluation.schema import EVALUATION_FILE, Evaluated, cells, from_record
from infonoise_core.files import check_output, read_json
from infonoise_core.folders.names import METRICS_FILE
from infonoise_core.hub.push import versions_with
from infonoise_core.plot import draw_believed, draw_history, figure, to_svg
from infonoise_core.schedules.knowledge import believed_by
from infonoise_core.training.record.metrics import read_lines

REPORT_FILE = "report.html"


def run_report(domain: Domain[Data, Options], command: ReportOptions) -> None:
    """Write the page, with what the last `evaluate` found where there was one."""
    if command.out is not None:
        check_output(command.out, command.overwrite)
    run = open_trained(domain, command.run, command.sampler.device)
    data = data_of(domain, run, command.data)
    out = command.out or command.run / REPORT_FILE
    write_page(out, run_page(domain, run, data, command))
    print(f"{out}: written")


def run_page(
    domain: Domain[Data, Options],
    run: TrainedRun[Options],
    data: Data,
    command: ReportOptions,
) -> Page:
    """Samples, measures, curves and profile of a run."""
    interface = domain.interface
    found = _evaluated(command.run)
    profile = run.profile
    believed = None if profile is None else believed_of(domain, run.options, data, profile)
    samples = domain.report_samples(run, data, command)
    sections = [
        Section("Samples", samples=samples),
        Section("Measures", tables=_tables(found), items=found.notes),
        Section("What is measured", terms=_terms(found)),
        Section(
            "Training",
            tables=training_numbers(run),
            figures=training_figures(run, believed),
        ),
        Section(f"More about the {interface.examples}", figures=domain.figures(run, data, samples)),
    ]
    name = run.settings[domain.summary_key]["name"]
    return Page(
        title=f"{name}: {run.path.resolve().name}",
        subtitle=f"{domain.about(data)}; schedule {run.settings['schedule']}, {run.step:,} steps"
        f" of {run.settings['train']['batch_size']} examples.",
        sections=sections,
        settings=[run.settings],
        versions=versions_with({interface.program: interface.version}),
    )


def training_numbers(run: TrainedRun[Any]) -> list[TableCells]:
    """What training itself measured last, however short it was; nothing where it wrote nothing."""
    records = [r for r in read_lines(run.path / METRICS_FILE) if r["step"] <= run.step]
    body = []
    for name, (step, value, error) in _last(records).items():
        number = f"{value:.4f}" if error is None else f"{value:.4f} ± {error:.4f}"
        body.append([name, number, f"{step:,}"])
    note = ""
    if run.profile is None and any("schedule" in r for r in records):
        note = (
            "No profile was measured: the run ended before the first time that its errors are put"
            " together."
        )
    return [TableCells(["while it was trained", "last", "after steps"], body, note)] if body else []


def _last(records: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, float, float | None]]:
    """Name -> step, value and standard error of its last record."""
    found: dict[str, tuple[int, float, float | None]] = {}
    for record in records:
        measures = record.get("evaluate", {})
        for name, value in measures.items():
            if not name.endswith("_stderr"):
                found[name] = (record["step"], value, measures.get(f"{name}_stderr"))
        if "loss" in record:
            found["loss"] = (record["step"], record["loss"], None)
    return found


def training_figures(run: TrainedRun[Any], believed: Tensor | None = None) -> dict[str, str]:
    """Caption -> SVG, as far as the run has it.

    The evaluations, the loss, the profile and the noise distribution over time.

    Args:
        believed: (K,) the part of the profile that draws follow; by default what `slope_gate`
            leaves.
    """
    records = list(read_lines(run.path / METRICS_FILE))
    found: dict[str, str] = {}
    evaluations = [(r["step"], r["evaluate"]) for r in records if "evaluate" in r]
    names = [k for k in dict.fromkeys(key for _, one in evaluations for key in one)
             if not k.endswith("_stderr")]  # fmt: skip
    for name in names:
        curve = [(step, values[name]) for step, values in evaluations if name in values]
        found[f"{name} of held-out examples during training."] = _line(curve, name)
    losses = [(r["step"], r["loss"]) for r in records if "loss" in r]
    if losses:
        found["Training loss, mean since the point before."] = _line(losses, "loss")
    if run.profile is not None:
        fig, ax = figure()
        draw_believed(
            ax, run.profile, believed_by(None, run.profile) if believed is None else believed
        )
        found[f"{BELIEVED} {BEYOND}"] = to_svg(fig)
    densities = [(r["step"], r["density"]) for r in records if "density" in r]
    if len(densities) > 1:
        fig, ax = figure()
        steps, curves = zip(*densities, strict=True)
        draw_history(ax, steps, curves[0]["sigma"], [curve["density"] for curve in curves])
        found["The noise distribution as it changed during training."] = to_svg(fig)
    return found


def _line(points: list[tuple[int, float]], label: str) -> str:
    fig, ax = figure()
    steps, values = zip(*points, strict=True)
    ax.plot(steps, values, "o-", markersize=3, linewidth=1.4)
    ax.set(xlabel="steps", ylabel=label)
    return to_svg(fig)


def _evaluated(run: Path) -> Evaluated:
    """What the last `evaluate` left in the run; empty where there was none."""
    file = run / EVALUATION_FILE
    if not file.exists():
        return Evaluated([])
    record: Mapping[str, Any] = read_json(file, "run evaluate again")
    return from_record(record, str(file))


def _tables(found: Evaluated) -> list[TableCells]:
    return [TableCells(*cells(table), note=table.note) for table in found.tables if table.rows]


def _terms(found: Evaluated) -> dict[str, str]:
    return {
        row.name: row.explanation for table in found.tables for row in table.rows if row.explanation
    }
