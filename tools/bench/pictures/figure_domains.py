"""Pictures of the domains' benchmarks: images, text and DNA."""

from typing import TYPE_CHECKING

from pictures.figure_style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    Results,
    column,
    kinds_legend,
    number,
    panels,
    quality,
    table,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 9.5
# Of a window of the benchmarks of text, each of which is written by calls of its own in order.
_TOKENS = 64


def vision_quality(results: Results) -> "Figure":
    titles = {
        "binary": "black and white", "grey": "grey", "tenth": "grey, a tenth of the scale",
        "tenfold": "grey, ten times the scale",
    }  # fmt: skip
    fig, axes = panels(4, SIZE, 5.6, rows=2, heights=(8, 4))
    names: list[str] = []
    for ax, (section, title) in zip(axes, titles.items(), strict=True):
        names += quality(ax, results, section, "bits per dim")
        ax.set_title(f"{title} ({table(results, section)['title']})")
    kinds_legend(fig, names)
    return fig


def vision_frontier(results: Results) -> "Figure":
    """Fréchet distance against bits: the exponents joined by a line, fixed laws beside them."""
    sections = [
        name for name in ("frontier-digits", "frontier-grey") if name in results["sections"]
    ]
    fig, axes = panels(len(sections), SIZE, 3.8)
    for ax, section in zip(axes, sections, strict=True):
        found = table(results, section)
        distance = next(name for name in found["columns"] if name.startswith("fd_clf"))
        points = {
            name: (number(bits)[0], number(far)[0])
            for name, bits, far in zip(
                *(column(found, name) for name in ("schedule", "bits per dim", distance)),
                strict=True,
            )
            if bits is not None
        }
        ours = [point for name, point in points.items() if name.startswith("infonoise")]
        ax.plot(*zip(*sorted(ours), strict=True), color=BLUE, marker="o", markersize=5)
        for name, point in points.items():
            mine = name.startswith("infonoise")
            if not mine:
                ax.plot(*point, color=INK, marker="s", markersize=5)
            ax.annotate(
                name.replace("infonoise:", "c = "), point, (5, 4), textcoords="offset points",
                color=BLUE if mine else INK, fontsize=8.5,
            )  # fmt: skip
        ax.set(xlabel="bits per dim, lower is better", title=found["title"])
        ax.margins(0.15)
    axes[0].set_ylabel("Fréchet distance, lower is better")
    return fig


def vision_samplers(results: Results) -> "Figure":
    found = table(results, "samplers")
    colors = {"Karras": INK, "entropic": ORANGE, "rescaled entropic": BLUE}
    solvers = [s for s in dict.fromkeys(column(found, "solver")) if s != "real images"]
    at = {name: found["columns"].index(name) for name in ("solver", "grid", "calls", "fd_clf_1k")}
    real = next(row[at["fd_clf_1k"]] for row in found["rows"] if row[0] == "real images")
    fig, axes = panels(len(solvers), SIZE, 3.4, sharey=True)
    for ax, solver in zip(axes, solvers, strict=True):
        for grid, color in colors.items():
            rows = [r for r in found["rows"] if (r[0], r[at["grid"]]) == (solver, grid)]
            calls, distance = ([r[at[name]] for r in rows] for name in ("calls", "fd_clf_1k"))
            ax.plot(calls, distance, color=color, marker="o", markersize=4, label=grid)
        ax.axhline(real, color=PALE, linestyle=":", label="real images")
        ax.set(xscale="log", yscale="log", xlabel="calls of the network", title=solver)
        ax.set_xticks([5, 10, 20, 40, 80], ["5", "10", "20", "40", "80"])
        ax.minorticks_off()
    axes[0].set_ylabel("Fréchet distance, lower is better")
    fig.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
    )
    return fig


def text_quality(results: Results) -> "Figure":
    fig, (ax,) = panels(1, 7.6, 3.6)
    names = quality(ax, results, "schedules", "bits per byte")
    ax.set_title(f"Shakespeare ({table(results, 'schedules')['title']})")
    kinds_legend(fig, names)
    return fig


def text_frontier(results: Results) -> "Figure":
    fig, (calls, churn) = panels(2, SIZE, 4.2)
    found = table(results, "sampling", "Frontier")
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    real, *made = rows
    colors = {
        "karras, deterministic": INK, "entropic, deterministic": ORANGE,
        "entropic, gated churn": BLUE,
    }  # fmt: skip
    ways = {"whole": (1, "whole windows", "-"), "in order": (_TOKENS, "in order", "--")}
    for written, (tokens, label, line) in ways.items():
        for sampler, color in colors.items():
            ours = [row for row in made if (row["written"], row["sampler"]) == (written, sampler)]
            calls.plot(
                [row["calls"] * tokens for row in ours], [row["perplexity"] for row in ours],
                color=color, marker="o", markersize=4, linestyle=line,
                label=f"{label}: {sampler}",
            )  # fmt: skip
    for row in made:
        if row["sampler"] not in colors:
            calls.plot(
                row["calls"] * _TOKENS, row["perplexity"], "D", color=PURPLE, markersize=7,
                label=f"in order: {row['sampler']}",
            )  # fmt: skip
    calls.axhline(real["perplexity"], color=RED, linewidth=1, label="held-out text")
    calls.set(
        xscale="log", yscale="log", xlabel="calls of the network for a window",
        title="levels and fresh noise",
    )  # fmt: skip
    calls.set_ylabel("perplexity by a trigram model")
    calls.set_xticks([32, 64, 128, 256, 512, 1024], ["32", "64", "128", "256", "512", "1024"])
    calls.minorticks_off()
    found = table(results, "codes", "Frontier")
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    for codes, color in zip(
        dict.fromkeys(row["codes"] for row in rows), (INK, BLUE, GREEN, PURPLE), strict=False
    ):
        ours = [row for row in rows if row["codes"] == codes]
        churn.plot(
            [row["entropy"] for row in ours], [row["perplexity"] for row in ours], color=color,
            marker="o", markersize=4, label=codes,
        )  # fmt: skip
    churn.plot(
        real["entropy"], real["perplexity"], "*", color=RED, markersize=11,
        label="held-out text",
    )  # fmt: skip
    churn.set(
        yscale="log", title="codes, by churn from 0 to 0.3",
        xlabel="entropy of the tokens in nats: too low is dull",
    )  # fmt: skip
    for ax in (calls, churn):
        ax.set_yticks([100, 200, 500, 1000], ["100", "200", "500", "1000"])
        ax.minorticks_off()
        ax.legend(frameon=False, fontsize=7.5)
    return fig


def text_cost(results: Results) -> "Figure":
    found = table(results, "cost")
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    fig, axes = panels(2, SIZE, 3.2)
    colors = {"bits": BLUE, "softmax": INK, "embedding": ORANGE}
    for ax, what, title in zip(
        axes, ("MiB", "tokens/s"), ("memory of a step, MiB", "tokens per second"), strict=True
    ):
        for head, color in colors.items():
            ours = [row for row in rows if row["head"] == head]
            ax.plot(
                [row["vocabulary"] for row in ours], [row[what] for row in ours], color=color,
                marker="o", markersize=4, label=head,
                linestyle="--" if head == "embedding" else "-",
            )  # fmt: skip
        ax.set(xscale="log", yscale="log", xlabel="tokens of the vocabulary", title=title)
        ax.set_xticks([2**15, 2**17, 2**20], ["32,768", "131,072", "1,048,576"])
        ax.minorticks_off()
    axes[0].legend(frameon=False)
    return fig


def bio_quality(results: Results) -> "Figure":
    fig, (cover,) = panels(1, SIZE, 3.4)
    found = table(results, "encodings")
    labels = [f"{e}, times {s:g}" for e, s, *_ in found["rows"]]
    for name, color, marker in (
        ("infonoise covers", BLUE, "D"), ("edm", INK, "o"), ("log-uniform", PALE, "o")
    ):  # fmt: skip
        cover.plot(
            column(found, name), range(len(labels)), linestyle="none", color=color, marker=marker,
            label=name.removesuffix(" covers"),
        )  # fmt: skip
    cover.set_yticks(range(len(labels)), labels)
    cover.invert_yaxis()
    cover.set(
        xlim=(0, 1.02), title="other encodings and scales",
        xlabel="share of the right density that is covered",
    )  # fmt: skip
    cover.legend(frameon=False, fontsize=8.5, loc="center right", bbox_to_anchor=(0.93, 0.5))
    return fig


def bio_designs(results: Results) -> "Figure":
    sets = {
        "promoters": "E. coli promoters", "planted": "planted motifs",
        "peaks": "CTCF and PU.1 peaks", "tata": "TATA promoters",
    }  # fmt: skip
    kinds = {"held out": (INK, "o"), "generated": (BLUE, "D"), "Markov": (ORANGE, "s")}
    fig, (motifs, auc) = panels(2, SIZE, 4.4)
    rows = []
    for section, title in sets.items():
        found = table(results, section)
        for row in found["rows"]:
            cells = dict(zip(found["columns"], row, strict=True))
            check = cells["check"]
            if " hits" in check or " at " in check:
                rows.append((f"{_motif(check)} ({title})", cells))
    for name, (color, marker) in kinds.items():
        motifs.plot(
            [cells[name] for _, cells in rows], range(len(rows)), linestyle="none", color=color,
            marker=marker, label=name,
        )  # fmt: skip
    motifs.set_yticks(range(len(rows)), [label for label, _ in rows], fontsize=8)
    motifs.invert_yaxis()
    motifs.set(xlim=(0, 1), title="the motif is there", xlabel="share of the sequences")
    found_auc = {
        title: next(
            dict(zip(table(results, section)["columns"], row, strict=True))
            for row in table(results, section)["rows"]
            if row[0] == "discriminator AUC, 4-mers and positions"
        )
        for section, title in sets.items()
    }
    for name in ("real to real", "generated", "Markov"):
        color, marker = kinds.get(name, (INK, "o"))
        auc.plot(
            [cells[name] for cells in found_auc.values()], range(len(sets)), linestyle="none",
            color=color, marker=marker,
        )  # fmt: skip
    auc.set_yticks(range(len(sets)), list(found_auc), fontsize=8)
    auc.invert_yaxis()
    auc.axvline(0.5, color=PALE, linestyle=":")
    auc.set(xlim=(0.45, 1), title="told apart from real sequences", xlabel="AUC, 0.5 is by chance")
    fig.legend(
        *motifs.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    return fig


def _motif(check: str) -> str:
    """Without its number in a database, and without its place."""
    words = check.split()
    name = words[1] if "." in words[0] else words[0]
    name = name.removesuffix(",")
    return f"{name}, in place" if " at " in check else f"{name}, anywhere"
