"""report.html of a comparison."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch

from infonoise_core.app.domain import Samples
from infonoise_core.app.pages.page import BELIEVED, BEYOND, Page, Section, TableCells, write_page
from infonoise_core.app.results import Difference, Results, rows, times_fewer, with_error
from infonoise_core.evaluation.measures import Measure
from infonoise_core.plot import draw_believed, draw_densities, figure, to_svg
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.knowledge import believed_by


def write_report(path: Path, results: Results, samples: Mapping[str, Samples]) -> None:
    """Write the page.

    Args:
        samples: Title -> what to show under it.
    """
    header, body = rows(results)
    sections = [
        Section(tables=[TableCells(header, body)]),
        Section("Quality against steps", figures=_quality(results)),
        Section(
            "Where the data lose their information, and where the steps went",
            figures=_levels(results),
        ),
        Section("Samples", samples=samples),
        Section("What is measured", terms=_terms(results)),
        Section(
            "What each schedule did",
            items=[f"{arm.schedule}, seed {arm.seed}: {arm.status}" for arm in results.arms],
        ),
    ]
    steps = results.settings["train"]["steps"]
    page = Page(
        title=f"Does an adaptive noise schedule help on {results.data['name']}?",
        subtitle=f"The same network, initial weights, batches and noises; {steps} steps under each"
        " schedule.",
        answer=answer(results),
        sections=sections,
        settings=[results.settings, results.data],
        versions=results.versions,
    )
    write_page(path, page)


def _quality(results: Results) -> dict[str, str]:
    found = {}
    for measure in results.measures:
        caption = f"{measure.explanation} Lower is better."
        if measure.name in results.floors:
            caption += f" Real to real: {results.floors[measure.name]:.4f}."
        found[caption] = _curves(results, measure)
    return found


def _levels(results: Results) -> dict[str, str]:
    found = {}
    profile = _profile(results)
    if profile is not None:
        found[f"{BELIEVED} {BEYOND}"] = profile
    found["The noise distribution of each schedule at its end."] = _densities(results)
    return found


def _terms(results: Results) -> dict[str, str]:
    first = results.measures[0].label
    return {
        **{measure.label: measure.explanation for measure in results.measures},
        "steps to the best fixed noise distribution's final": "The first step, linear between"
        f" evaluations, at which a schedule's {first} is as low as what the best fixed noise"
        ' distribution ends with. "Never" means that it is not reached within the same number of'
        " steps.",
    }


def answer(results: Results) -> str:
    """The finding in one sentence per adaptive schedule, whatever it is."""
    best = results.best_fixed()
    adaptive = [s for s in results.schedules if not results.of(s)[0].fixed]
    if best is None or not adaptive:
        return (
            "No fixed and adaptive schedule stand side by side here, so there is nothing to answer."
        )
    fixed, target = best
    label = results.measures[0].label
    sentences = [
        f"The best fixed noise distribution is {fixed}, which ends at {target:.4f} {label}."
    ]
    for name in adaptive:
        finals = results.final(name, results.measures[0].name)
        final = with_error(finals, ".4f")
        total = results.of(name)[0].evaluations[-1]["step"]
        steps = [s for s in results.updates_to_best_fixed(name) if s is not None]
        gap = results.difference(name, fixed)
        within = gap is not None and gap.within_error
        by = _by(gap, len(results.of(name)))
        if len(steps) == len(results.of(name)):
            fewer = times_fewer(total, steps)
            sentences.append(
                f"{name} reaches that after {with_error(steps, '.0f')} of {total:.0f} steps"
                f" ({fewer} times fewer) and ends at {final}{by}."
            )
        elif steps:
            sentences.append(
                f"{name} reaches that from {len(steps)} of {len(results.of(name))} seeds and ends"
                f" at {final} on average{by}."
            )
        elif within:
            sentences.append(f"{name} ends at {final} and does not reach it{by}.")
        else:
            sentences.append(
                f"{name} ends at {final} and does not reach it{by}: it does not help here."
            )
    return " ".join(sentences)


def _by(gap: Difference | None, seeds: int) -> str:
    """How far that is from the best fixed noise distribution, and whether it says anything."""
    if gap is None:
        return ""
    text = f", {abs(gap.mean):.4f} ± {gap.stderr:.4f} {'lower' if gap.mean < 0 else 'higher'}"
    if gap.examples:
        text += f" on the same {gap.examples} held-out examples of one seed"
    if not gap.within_error:
        return text
    more = "; more --seeds tell more" if seeds == 1 else ""
    return f"{text}, which is within the error{more}"


def _curves(results: Results, measure: Measure) -> str:
    fig, ax = figure()
    for i, name in enumerate(results.schedules):
        arms = results.of(name)
        for j, arm in enumerate(arms):
            taken = [e for e in arm.evaluations if measure.name in e]
            steps, values = [e["step"] for e in taken], [e[measure.name] for e in taken]
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
    ax.set(xlabel="steps", ylabel=measure.label)
    name = measure.name
    later = [e[name] for arm in results.arms for e in arm.evaluations[1:] if name in e]
    if later and math.isfinite(max(later)):
        # The first evaluation, of a network that knows nothing yet, would flatten all the others.
        low, high = ax.get_ylim()
        ax.set_ylim(top=min(high, max(later) + 0.05 * (max(later) - low)))
    ax.legend(frameon=False, fontsize="small")
    return to_svg(fig)


def _profile(results: Results) -> str | None:
    measured = [arm for arm in results.arms if arm.profile is not None]
    # Where draws follow the profile, its errors are smallest.
    measured.sort(key=lambda arm: not arm.schedule.startswith("infonoise"))
    if not measured or measured[0].profile is None:
        return None
    fig, ax = figure()
    profile = EntropyRateProfile.from_dict(measured[0].profile)
    kept = measured[0].believed
    believed = believed_by(None, profile) if kept is None else torch.tensor(kept)
    draw_believed(ax, profile, believed)
    return to_svg(fig)


def _densities(results: Results) -> str:
    fig, ax = figure()
    draw_densities(ax, {name: results.of(name)[0].density for name in results.schedules})
    return to_svg(fig)
