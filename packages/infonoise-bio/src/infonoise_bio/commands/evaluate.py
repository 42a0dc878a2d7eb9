"""`infonoise-bio evaluate`: generated sequences beside real ones, as a table, JSON and a page."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro
from rich.table import Table
from rich.text import Text
from tyro.conf import OmitArgPrefixes, Positional

import infonoise_bio
from infonoise_bio.data.designs import read_designs
from infonoise_bio.data.formats.textfile import stem_of
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.checks import Row, Window
from infonoise_bio.evaluation.measures import Assessment, assess, generated_like, of_class
from infonoise_bio.evaluation.motifs import Scanner, read_scanners
from infonoise_bio.evaluation.oracle import Oracle
from infonoise_bio.evaluation.page import write_page
from infonoise_bio.examples import parts
from infonoise_bio.methods.trained import TrainedRun, open_trained
from infonoise_bio.sampling.options import DnaSampler
from infonoise_core import terminal
from infonoise_core.errors import InputError
from infonoise_core.files import check_output, write_json
from infonoise_core.training.progress import progress

FILE = "evaluation.json"
HEADER = ("check", "held out", "generated", "Markov", "real to real")


@dataclass(frozen=True)
class Evaluate:
    """Measure a trained run on sequences it did not see: likelihood, likeness, copies."""

    run: Positional[Path]
    """the --out of a train command"""
    data: str | None = None
    """the sequences, if they have moved since training"""
    part: Literal["test", "val"] = "test"
    """the held-out sequences"""
    label: str | None = None
    """only sequences of this class"""
    n: int = 1000
    """generated sequences; no more than there are held out"""
    levels: int = 8
    """noise levels per sequence for the bits per base"""
    motifs: Path | None = None
    """matrices in JASPAR format"""
    motif: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """id or name of one of them, or NAME@LOW-HIGH for where its best place shall begin, from 0;
    may be repeated; all hits of all matrices without it"""
    motif_rate: float = 1e-4
    """false positives of a hit per place and strand"""
    designs: Path | None = None
    """FASTA file of sequences from elsewhere, measured in place of the run's own; where all of
    them have label=CLASS in their header, as `sample` writes it, classes are told apart"""
    oracle: Path | None = None
    """a model of your own as judge: what torch.export.save wrote (.pt2), from one-hot bases
    (n, 4, length) to features (n, k); a graph of ATen's operators with plain tensors, as a .pt2
    with pickles, other operators or compiled code is refused"""
    out: Path | None = None
    """JSON file to write; without it evaluation.json beside the run, or evaluation-NAME.json for
    --designs NAME.fa"""
    html: Path | None = None
    """page to write, with logos and plots"""
    overwrite: bool = False
    """replace the files --out and --html"""
    sampler: OmitArgPrefixes[DnaSampler] = field(default_factory=DnaSampler)


def run_evaluate(config: Evaluate) -> None:
    """Print the table, write it as JSON, and as a page if asked."""
    for path in (config.out, config.html):
        if path is not None:
            check_output(path, config.overwrite)
    if config.n < 20 or config.levels < 1:
        raise InputError(f"--n {config.n} --levels {config.levels}: give at least 20 and 1")
    run = open_trained(config.run, config.sampler.device)
    training, held_out = parts(run.sequences(config.data), config.part)
    if config.label is not None:
        training, held_out = of_class(training, config.label), of_class(held_out, config.label)
    scanners, windows = _motifs(config, run)
    oracle = None if config.oracle is None else Oracle(config.oracle)
    n = min(config.n, len(held_out), len(training))
    generated = _generated(config, run, held_out, n)
    own = config.designs is None
    found = assess(
        run, training, held_out, generated, scanners, windows, config.levels, oracle, own=own
    )
    written = config.out or config.run / _file(config.designs)
    write_json(written, {**_about(config, run), **found.to_dict()})
    _print(found)
    if config.html is not None:
        rows = [[*_cells(row), row.explanation] for row in found.rows]
        about = {name: str(value) for name, value in _about(config, run).items()}
        header = [*HEADER, "what it is"]
        write_page(config.html, str(config.run), found, (header, rows), run.profile, about)
        print(f"page: {config.html}")
    print(f"table: {written}")


def _generated(config: Evaluate, run: TrainedRun, held_out: SequenceSet, n: int) -> SequenceSet:
    if config.designs is not None:
        return read_designs(config.designs, held_out, n, config.label)
    with progress(n, "sample") as reporter:
        return generated_like(
            run, held_out, n, run.sampling(config.sampler), config.sampler.seed,
            lambda done, _: reporter.advance(done),
        )  # fmt: skip


def _file(designs: Path | None) -> str:
    return FILE if designs is None else f"evaluation-{stem_of(designs)[0]}.json"


def _motifs(config: Evaluate, run: TrainedRun) -> tuple[list[Scanner], list[Window]]:
    """Every matrix asked for, and the places asked for."""
    if config.motifs is None:
        if config.motif:
            raise InputError(f"--motif {config.motif[0]}: give --motifs with a JASPAR file")
        return [], []
    places = dict(map(_place, config.motif))
    scanners = read_scanners(
        config.motifs,
        tuple(places),
        config.motif_rate,
        run.denoiser.config.frequencies,
        run.objective.strand,
    )
    windows = []
    for name, place in places.items():
        for scanner in scanners:
            if place is not None and name in scanner.name.split():
                windows.append(Window(scanner, *place))
    return scanners, windows


def _place(text: str) -> tuple[str, tuple[int, int] | None]:
    name, at, span = text.partition("@")
    if not at:
        return name, None
    try:
        low, high = map(int, span.split("-"))
    except ValueError:
        low, high = 1, 0
    if not 0 <= low <= high:
        raise InputError(f"--motif {text}: give two positions from 0, as in {name}@35-41")
    return name, (low, high)


def _about(config: Evaluate, run: TrainedRun) -> dict[str, str | int | None]:
    designs = {} if config.designs is None else {"designs": config.designs.name}
    return {
        **designs,
        "run": config.run.name,
        "data": run.settings["sequences"]["name"],
        "part": config.part,
        "label": config.label,
        "schedule": run.settings["schedule"],
        "solver": config.sampler.solver,
        "steps": config.sampler.steps,
        "infonoise-bio": infonoise_bio.__version__,
    }


def _cells(row: Row) -> list[str]:
    numbers = (row.held_out, row.generated, row.markov, row.real)
    return [row.name, *("" if value is None else f"{value:.4f}" for value in numbers)]


def _print(found: Assessment) -> None:
    table = Table(title=Text(f"{len(found.anchors.generated):,} sequences of each kind"))
    for i, title in enumerate(HEADER):
        table.add_column(title, justify="left" if i == 0 else "right", no_wrap=True)
    for row in found.rows:
        table.add_row(*map(Text, _cells(row)))
    console = terminal.console()
    table.width = console.measure(table, options=console.options.update(width=1000)).maximum
    console.print(table, crop=False)
    if found.bits is not None:
        saved = found.independent - found.bits.value
        print(
            f"bits per base: {found.bits.value:.4f} ± {found.bits.stderr:.4f}, {saved:.4f} below"
            f" independent bases ({found.independent:.4f})"
        )
    print("k-mer spectra, GC and CpG prove nothing alone: a Markov chain passes them")
