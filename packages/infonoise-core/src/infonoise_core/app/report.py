"""report.html: a comparison as one file that opens offline."""

import base64
import math
from collections.abc import Mapping
from pathlib import Path

import jinja2

from infonoise_core.app.results import Measure, Results, rows, times_fewer, with_error
from infonoise_core.files import write_text
from infonoise_core.plot import draw_densities, draw_profile, figure, to_svg
from infonoise_core.profiles.profile import EntropyRateProfile

# What a schedule generated: a PNG image, or text.
Samples = bytes | str


def write_report(path: Path, results: Results, samples: Mapping[str, Samples]) -> None:
    """Write the page. samples: title -> what to show under it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("infonoise_core.app", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    header, body = rows(results)
    page = environment.get_template("report.html.j2").render(
        results=results,
        header=header,
        body=body,
        answer=answer(results),
        curves=[(m, _curves(results, m)) for m in results.measures],
        profile=_profile(results),
        densities=_densities(results),
        images={
            k: base64.b64encode(v).decode() for k, v in samples.items() if isinstance(v, bytes)
        },
        texts={k: v for k, v in samples.items() if isinstance(v, str)},
    )
    write_text(path, page)


def answer(results: Results) -> str:
    """The finding in one sentence per adaptive schedule, whatever it is."""
    best = results.best_fixed()
    adaptive = [s for s in results.schedules if not results.of(s)[0].fixed]
    if best is None or not adaptive:
        return (
            "No fixed and adaptive schedule stand side by side here, so there is nothing to answer."
        )
    law, target = best
    label = results.measures[0].label
    sentences = [f"The best fixed law is {law}, which ends at {target:.4f} {label}."]
    for name in adaptive:
        finals = results.final(name, results.measures[0].name)
        final = with_error(finals, ".4f")
        total = results.of(name)[0].evaluations[-1]["step"]
        steps = [s for s in results.updates_to_best_fixed(name) if s is not None]
        if len(steps) == len(results.of(name)):
            fewer = times_fewer(total, steps)
            sentences.append(
                f"{name} reaches that after {with_error(steps, '.0f')} of {total:.0f} updates"
                f" ({fewer} times fewer) and ends at {final}."
            )
        elif steps:
            sentences.append(
                f"{name} reaches that from {len(steps)} of {len(results.of(name))} seeds and ends"
                f" at {final} on average."
            )
        else:
            sentences.append(
                f"{name} ends at {final} and does not reach it: it does not help here."
            )
    return " ".join(sentences)


def _curves(results: Results, measure: Measure) -> str:
    fig, ax = figure()
    for i, name in enumerate(results.schedules):
        arms = results.of(name)
        steps = [e["step"] for e in arms[0].evaluations]
        for j, arm in enumerate(arms):
            values = [e[measure.name] for e in arm.evaluations]
            ax.plot(
                steps, values, f"C{i}o-", markersize=3, linewidth=1.4, alpha=1 / len(arms) ** 0.5,
                label=name if j == 0 else None,
            )  # fmt: skip
    best = results.best_fixed()
    if best is not None and measure is results.measures[0]:
        ax.axhline(best[1], color="0.25", linestyle=":", linewidth=1.3, label=f"{best[0]}, final")
    if measure.name in results.floors:
        ax.axhline(
            results.floors[measure.name],
            color="0.4",
            linestyle="--",
            linewidth=1,
            label="real to real",
        )
    ax.set(xlabel="updates", ylabel=measure.label)
    later = [e[measure.name] for arm in results.arms for e in arm.evaluations[1:]]
    if later and math.isfinite(max(later)):
        # The first evaluation, of a network that knows nothing yet, would flatten all the others.
        low, high = ax.get_ylim()
        ax.set_ylim(top=min(high, max(later) + 0.05 * (max(later) - low)))
    ax.legend(frameon=False, fontsize="small")
    return to_svg(fig)


def _profile(results: Results) -> str | None:
    tables = [arm.profile for arm in results.arms if arm.profile is not None]
    if not tables:
        return None
    fig, ax = figure()
    draw_profile(ax, EntropyRateProfile.from_dict(tables[0]))
    return to_svg(fig)


def _densities(results: Results) -> str:
    fig, ax = figure()
    draw_densities(ax, {name: results.of(name)[0].density for name in results.schedules})
    return to_svg(fig)
