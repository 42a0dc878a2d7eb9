"""What a comparison found, from curves made by hand."""

import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from infonoise_core.app.results import Arm, Results, first_reached, print_table, rows
from infonoise_core.evaluation.measures import Measure

NATS = Measure("nats", "nats per example", "A bound.")
DISTANCE = Measure("distance", "distance", "Another.")


def curve(values: Sequence[float], every: int = 10) -> list[dict[str, float]]:
    """Evaluations every so many steps; the distance is a tenth of the nats."""
    return [
        {"step": every * (i + 1), "nats": v, "nats_stderr": 0.25, "distance": v / 10}
        for i, v in enumerate(values)
    ]


def arm(name: str, values: Sequence[float], *, fixed: bool = True, seed: int = 0) -> Arm:
    return Arm(name, fixed, seed, curve(values), ([0.1, 1.0], [0.5, 0.5]), "fine")


def results(*arms: Arm) -> Results:
    return Results(
        data={"name": "[/b] coins"},
        settings={"train": {"steps": 30}},
        measures=[NATS, DISTANCE],
        arms=list(arms),
        versions={"infonoise-core": "0"},
    )


@pytest.mark.parametrize(
    ("values", "target", "step"),
    [
        ([5, 4, 3], 2, None),  # never
        ([], 2, None),
        ([5, 4, 3], 5, 10),  # at the first evaluation, exactly
        ([5, 4, 3], 9, 10),  # at the first evaluation, by far
        ([5, 4, 3], 3, 30),  # exactly, at the last one
        ([5, 4, 3], 4, 20),
        ([5, 4, 3], 3.25, 27.5),  # between two
        ([5, 2, 6, 1], 3, 10 + 10 * 2 / 3),  # the first time counts, though it rises again
        ([5, 6, 3], 4, 20 + 10 * 2 / 3),  # it had risen before
        ([math.nan, math.nan], 3, None),
        ([5, math.nan, 2], 3, 30),  # nothing to draw a line from
        ([math.inf, 2], 3, 20),
    ],
)
def test_first_reached(values: list[float], target: float, step: float | None) -> None:
    found = first_reached(curve(values), "nats", target)
    assert found == (None if step is None else pytest.approx(step, rel=1e-12))


@given(
    st.lists(st.floats(-10, 10), min_size=2, max_size=12, unique=True).map(
        lambda values: sorted(values, reverse=True)
    ),
    st.floats(0, 1),
)
def test_first_reached_inverts_a_falling_curve(values: list[float], share: float) -> None:
    """Against numpy's interpolation of step over value; the lower the target, the later."""
    target = values[0] + share * (values[-1] - values[0])
    steps = 10.0 * (1 + np.arange(len(values)))
    found = first_reached(curve(values), "nats", target)
    if found is None:
        # Rounding may put a target that was meant to be the last value a hair below it.
        assert target == pytest.approx(values[-1])
        return
    # Neighbours may lie so close that the step between them is settled by rounding alone.
    back = np.interp(found, steps, values)
    assert back == pytest.approx(target, abs=1e-9)
    before = first_reached(curve(values), "nats", (target + values[0]) / 2)
    assert before is not None
    assert before <= found + 1e-9


def test_the_best_fixed_law_is_the_best_mean_over_seeds() -> None:
    found = results(
        arm("edm", [5, 2]), arm("edm", [5, 4], seed=1),
        arm("log-uniform", [5, 2.5]), arm("log-uniform", [5, 3.0], seed=1),
        arm("infonoise", [5, 1], fixed=False), arm("infonoise", [5, 1], fixed=False, seed=1),
    )  # fmt: skip
    assert found.schedules == ["edm", "log-uniform", "infonoise"]
    assert found.best_fixed() == ("log-uniform", 2.75)
    assert found.final("edm", "nats") == [2, 4]
    assert found.updates_to_best_fixed("edm") == [pytest.approx(17.5), None]
    assert found.updates_to_best_fixed("log-uniform") == [pytest.approx(19), None]
    assert found.updates_to_best_fixed("infonoise") == [pytest.approx(15.625)] * 2


def test_a_law_that_diverged_is_not_the_best() -> None:
    for order in (("edm", "laplace"), ("laplace", "edm")):
        values = {"edm": [5.0, math.nan], "laplace": [5.0, 4.0]}
        assert results(*(arm(n, values[n]) for n in order)).best_fixed() == ("laplace", 4)


def test_without_a_fixed_law_there_is_no_target() -> None:
    found = results(arm("infonoise", [5, 1], fixed=False))
    assert found.best_fixed() is None
    assert found.updates_to_best_fixed("infonoise") == [None]
    assert rows(found) == (
        ["schedule", "nats per example", "distance"],
        [["infonoise", "1.0000 ± 0.2500", "0.1000"]],
    )


def test_rows_of_one_seed() -> None:
    """Error bars are those of the measure; the target was reached after half the updates."""
    header, body = rows(
        results(
            arm("edm", [6, 5, 4]),
            arm("log-uniform", [6, 5.5, 4.5]),
            arm("infonoise", [5, 3, 2], fixed=False),
        )
    )
    assert header == [
        "schedule", "nats per example", "distance", "steps to edm's final", "times fewer",
    ]  # fmt: skip
    assert body == [
        ["edm", "4.0000 ± 0.2500", "0.4000", "30", "1.00"],
        ["log-uniform", "4.5000 ± 0.2500", "0.4500", "never", "-"],
        ["infonoise", "2.0000 ± 0.2500", "0.2000", "15", "2.00"],
    ]


def test_references_have_rows_of_their_own_and_no_part_in_the_answer() -> None:
    plain = results(arm("edm", [6, 5, 4]), arm("infonoise", [5, 3, 2], fixed=False))
    found = replace(plain, references={"Markov": 1.25})
    header, body = rows(found)
    assert (header, body[:-1]) == rows(plain)
    assert body[-1] == ["Markov", "1.2500", "-", "-", "-"]
    assert found.best_fixed() == plain.best_fixed()
    assert found.to_dict()["references"] == {"Markov": 1.25}


def test_rows_of_several_seeds() -> None:
    """Error bars are the spread of the seeds over the root of their number: here sqrt(2)/sqrt(2)
    for finals 2 and 4."""
    _, body = rows(
        results(
            arm("edm", [6, 5, 2]), arm("edm", [6, 5, 4], seed=1),
            arm("infonoise", [6, 3, 3], fixed=False), arm("infonoise", [6, 4, 4], fixed=False),
            arm("cdcd", [3, 1, 1], fixed=False), arm("cdcd", [6, 3, 3], fixed=False),
            arm("adaptive-loss", [9, 8, 7], fixed=False),
        )
    )  # fmt: skip
    assert body[0] == ["edm", "3.0000 ± 1.0000", "0.3000 ± 0.1000", "1 of 2 seeds", "-"]
    assert body[1][3:] == ["1 of 2 seeds", "-"]
    # After 10 and 20 steps of 30: 15 with an error of 5, a third, and so has 30 / 15.
    assert body[2][3:] == ["15 ± 5", "2.00 ± 0.67"]
    assert body[3][3:] == ["never", "-"]


def test_results_are_strict_json_of_a_known_version() -> None:
    found = results(arm("edm", [6, 5, 4]), arm("infonoise", [5, 3, 2], fixed=False))

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    table = json.loads(json.dumps(found.to_dict()), parse_constant=refuse)
    assert (table["format"], table["version"]) == ("infonoise-results", 1)
    assert table["best_fixed"] == {"schedule": "edm", "value": 4}
    assert table["updates_to_best_fixed"] == {"edm": [30], "infonoise": [15]}
    assert [m["name"] for m in table["measures"]] == ["nats", "distance"]
    assert [a["schedule"] for a in table["arms"]] == ["edm", "infonoise"]
    assert table["arms"][1]["evaluations"] == found.arms[1].evaluations
    assert results(arm("cdcd", [1], fixed=False)).to_dict()["best_fixed"] is None


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table_on_the_terminal_has_every_cell(width: int) -> None:
    """It fits 80 columns; where there are fewer, lines run over the edge and no digit is lost."""
    found = results(
        arm("edm", [6, 5, 4]),
        arm("loss-second-moment", [6, 5.5, 4.5], fixed=False),
        arm("infonoise", [5, 3, 2], fixed=False),
    )
    out = io.StringIO()
    print_table(found, Console(file=out, width=width))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= max(width, 80)
    assert "[/b] coins: 30 steps each" in lines[0]
    for row in rows(found)[1]:
        line = next(line for line in lines if f" {row[0]} " in line)
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        assert cells == row
