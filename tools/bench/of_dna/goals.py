"""Goals of tables of evidence: what designs must show."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from report import Goal

# Name of a check -> its numbers by column, as `designs.rows_of` gives them.
Rows = Mapping[str, Mapping[str, Any]]


def promoter_goals(rows: Rows, found: Mapping[str, Any]) -> list[Goal]:
    goals = _below_chains(rows)
    box = next(row for name, row in rows.items() if name.endswith("at 35-41"))
    goals.append(
        Goal("-10 box within 3 of position 38: generated minus held-out share",
             box["generated"] - box["held_out"], "at least", -0.05, "+.3f")
    )  # fmt: skip
    return [*goals, *_no_copies_and_not_told(rows)]


def hit_goals(rows: Rows, found: Mapping[str, Any], motifs: Sequence[str]) -> list[Goal]:
    """A hit in three quarters as many designs as real sequences, at least."""
    goals = _below_chains(rows)
    for motif in motifs:
        row = next(row for name, row in rows.items() if f"{motif} hits" in name)
        goals.append(
            Goal(f"{motif} hits: generated over held out", row["generated"] / row["held_out"],
                 "at least", 0.75, ".2f")
        )  # fmt: skip
    return [*goals, *_no_copies_and_not_told(rows)]


def tata_goals(rows: Rows, found: Mapping[str, Any]) -> list[Goal]:
    box = next(row for name, row in rows.items() if name.endswith("at 210-230"))
    goal = Goal("TATA box in its window: generated minus held-out share",
                box["generated"] - box["held_out"], "at least", -0.1, "+.3f")  # fmt: skip
    return [*_below_chains(rows), goal, *_no_copies_and_not_told(rows)]


def long_goals(rows: Rows, found: Mapping[str, Any]) -> list[Goal]:
    return [*_below_chains(rows), *_no_copies_and_not_told(rows)]


def planted_goals(rows: Rows, found: Mapping[str, Any]) -> list[Goal]:
    exact = rows["bits per base, exact"]
    motifs = [row for row in rows.values() if "share that holds it there" in row["explanation"]]
    rates = [float(row["explanation"].rsplit(" ", 1)[1]) for row in motifs]
    away = [abs(row["generated"] / rate - 1) for row, rate in zip(motifs, rates, strict=True)]
    return [
        *_below_chains(rows),
        Goal("bits per base over the generator's entropy", exact["generated"] / exact["held_out"],
             "at most", 1.02, ".4f"),
        Goal("planted motifs: mean deviation from the planted rate", fmean(away), "at most", 0.1,
             ".1%"),
        *_no_copies_and_not_told(rows),
    ]  # fmt: skip


def _below_chains(rows: Rows) -> list[Goal]:
    return [
        Goal(f"bits per base minus the best Markov chain's, {how}",
             rows[name]["generated"] - rows[name]["markov"], "at most", 0.0, "+.4f")
        for name, row in rows.items()
        if name.startswith("bits per base, Markov")
        for how in [name.removeprefix("bits per base, Markov ")]
    ]  # fmt: skip


def _from_chance(row: Mapping[str, Any]) -> float:
    return float((row["generated"] - 0.5) / (row["markov"] - 0.5))


def _no_copies_and_not_told(rows: Rows) -> list[Goal]:
    found, by_cnn = (rows[f"discriminator AUC, {how}"] for how in ("4-mers and positions", "CNN"))
    copies = next(row for name, row in rows.items() if name.endswith("-mers from training"))
    return [
        Goal("discriminator AUC with positions, from 0.5: model's over the Markov chain's",
             _from_chance(found), "at most", 0.25, ".2f",
             f"By a convolutional network in place of 4-mers: {_from_chance(by_cnn):.2f}."),
        Goal("16-mers shared with training: generated minus held out",
             copies["generated"] - copies["held_out"], "at most", 0.002, "+.4f",
             "The standard error of a thousand sequences is some 0.001."),
    ]  # fmt: skip
