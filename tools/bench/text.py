"""Regenerate docs/benchmarks/text.md: what schedules, samplers, codes and baselines do to text.

The runs take hours on two cores; what is finished stays in the folder of `contests.WORK`.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

import contests
from contests import Aim, Comparison, Outcome
from infonoise_core.errors import InputError
from infonoise_text.baselines.embedding import EmbeddingDenoiser
from infonoise_text.baselines.masked import Masked
from infonoise_text.baselines.masked import cost as masked_cost
from infonoise_text.baselines.tokens import cross_entropy
from infonoise_text.codes import CodeBook, binary_codes, bits_for
from infonoise_text.model import make_denoiser
from infonoise_text.network import PRESETS
from report import Cell, Goal, Section, Table
from suite import WORK, Suite, Tick

SHAKESPEARE = Path("../shared/data/text/tinyshakespeare")
# Log-normal laws that a small search on this text left as the best: 240 updates each.
SEARCHED = ("log-normal:-0.7:0.7", "log-normal:-0.3:0.9")
ADAPTIVE = "cdcd,adaptive-loss,iid-oracle,infonoise,infonoise-sqrt"
SCHEDULES = f"edm,log-uniform,{ADAPTIVE},{','.join(SEARCHED)}"
# About 90 s each on one thread of a quiet core.
COMPARED = 1440
TRAINED = ("--updates", "4000", "--batch", "32", "--length", "64")
QUICK = ("--updates", "60", "--batch", "8", "--length", "16")
STEPS = (32, 64, 128, 256)
VOCABULARIES = (2**15, 2**17, 2**20)


def corpus(tick: Tick) -> Path:
    """Shakespeare as tokens, with both code books."""
    folder = WORK / "text-corpus"
    if not (folder / "corpus.json").exists():
        if not SHAKESPEARE.exists():
            raise InputError(f"{SHAKESPEARE}: not there; this benchmark needs it")
        _call(tick, "prepare", str(SHAKESPEARE), "--out", str(folder), "--semantic")
    return folder


def _call(tick: Tick, *arguments: str) -> None:
    """infonoise-text in a process of its own, whose lines on progress are passed on."""
    line = ""
    with subprocess.Popen(
        [sys.executable, "-m", "infonoise_text.cli", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        for line in process.stderr or ():
            tick(line.strip())
    if process.returncode:
        raise InputError(f"infonoise-text {' '.join(arguments)}: {line.strip()}")


def trained(tick: Tick, name: str, data: str, quick: bool, *options: str) -> Path:
    """A run of that name, trained if it is not there yet."""
    out = WORK / f"text-{name}{'-quick' if quick else ''}"
    if not (out / "done.json").exists():
        _call(tick, "train", data, "--out", str(out), *(QUICK if quick else TRAINED), *options)
    return out


def evaluated(tick: Tick, run: Path, quick: bool, *options: str) -> dict[str, Any]:
    """What `evaluate` writes, in a file named after its options."""
    marks = "".join(c if c.isalnum() else "-" for c in "".join(options)).strip("-")
    out = run.parent / f"{run.name}-{marks or 'evaluated'}.json"
    if not out.exists():
        few = ("--windows", "16") if quick else ("--windows", "256")
        _call(tick, "evaluate", str(run), "--out", str(out), *few, *options)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


# Schedules


def _worse(outcome: Outcome, name: str) -> float:
    return outcome.worse_than_best_fixed(name)


def schedules(quick: bool, seed: int, tick: Tick) -> Section:
    data = corpus(tick)
    never_worse = (
        Aim(
            f"{name}: final bits per byte over the best fixed law's", partial(_worse, name=name),
            "at most", 0.05, "+.1%",
        )
        for name in ("infonoise", "infonoise-sqrt")
    )  # fmt: skip
    comparison = Comparison(
        name="text-shakespeare",
        title="Schedules on Shakespeare",
        command="infonoise-text",
        options=[
            str(data), "--schedules", SCHEDULES, "--updates", str(COMPARED), "--seeds", "3",
        ],
        about="Windows of 32 tokens of 12 bits, the tiny network.",
        aims=[
            Aim(
                "infonoise: times fewer updates than EDM's law from images to the best fixed law's"
                " final bits per byte",
                lambda outcome: outcome.fewer_than("infonoise", "edm"), "at least", 3,
            ),
            *never_worse,
        ],
        needs=data,
    )  # fmt: skip
    return contests.bench(comparison, quick, seed, tick)


# Baselines


def baselines(quick: bool, seed: int, tick: Tick) -> Section:
    """Bits per byte beside n-grams and other models, on both corpora."""
    tables, goals = [], []
    for name, data in (("pydoc", "pydoc"), ("shakespeare", str(corpus(tick)))):
        runs = []
        for method in ("bits", "autoregressive", "masked", "embedding"):
            tick(f"{name}, {method}")
            options = ("--method", method, "--seed", str(seed))
            runs.append(trained(tick, f"{name}-{method}", data, quick, *options))
        beside = [str(run) for run in runs[1:]]
        found = evaluated(tick, runs[0], quick, "--n", "0", "--beside", *beside)
        lines = {key: row["bits_per_byte"] for key, row in found["bits_per_byte"].items()}
        rows: list[Sequence[Cell]] = [
            # Without the run's name.
            [
                key.partition("(")[2].rstrip(")") or key,
                bits,
                found["bits_per_byte"][key].get("bits_per_byte_stderr"),
            ]
            for key, bits in lines.items()
        ]
        tables.append(
            Table(
                name,
                "Held-out bits per byte of equal updates on the same trunk; of bits, masked"
                " tokens and embeddings an upper bound, on windows that see nothing of what stands"
                " before them."
                " n-gram models see all that stands before.",
                ["model", "bits per byte", "standard error"],
                rows,
                {"bits per byte": ".3f", "standard error": ".3f"},
            )
        )
        two = next(bits for key, bits in lines.items() if "two passes" in key)
        what = f"Bits per byte of bits over those of bytes of order 2, {name}"
        goals.append(Goal(what, two / lines["byte 2-gram"], "at most", 1, ".2f"))
    return Section("Beside n-grams and other models", tables, goals)


# Sampling


def sampling(quick: bool, seed: int, tick: Tick) -> Section:
    """The frontier of perplexity and entropy: grids and churn at equal calls, from one run."""
    run = trained(
        tick, "shakespeare-bits", str(corpus(tick)), quick, "--method", "bits", "--seed", str(seed)
    )
    rows: list[Sequence[Cell]] = []
    perplexity: dict[tuple[str, int], float] = {}
    for steps in STEPS[:1] if quick else STEPS:
        for kind, options in (
            ("entropic, gated churn", ("--churns", "0.3", "--churn-gate", "band")),
            ("entropic, deterministic", ("--churns", "0.0")),
            ("karras, deterministic", ("--churns", "0.0", "--grid", "karras")),
        ):
            tick(f"{steps} calls, {kind}")
            few = ("--n", "8" if quick else "256", "--steps", str(steps))
            found = evaluated(tick, run, quick, *few, *options)["generated"]
            data, made = found.values()
            if not rows:
                rows.append(["held-out text", None, *_qualities(data)])
            rows.append([kind, made["nfe"], *_qualities(made)])
            perplexity[kind, steps] = made["perplexity"]
    at = STEPS[0] if quick else 64
    ratio = perplexity["karras, deterministic", at] / perplexity["entropic, deterministic", at]
    what = f"Perplexity of Karras' grid over the entropic one's, {at} calls"
    note = "Below 1.1 the grids do the same for this text."
    goal = Goal(what, ratio, "at least", 1.1, ".2f", note)
    about = (
        "Perplexity by a trigram model of the training tokens, entropy of the tokens of one window"
        " in nats: text that repeats itself has a low perplexity and a low entropy. Euler, levels"
        " from 80 to 0.08."
    )
    columns = ["sampler", "calls", "perplexity", "entropy", "distinct-2", "no token"]
    formats = {"perplexity": ".1f", "entropy": ".3f", "distinct-2": ".3f", "no token": ".2%"}
    return Section("Sampling", [Table("Frontier", about, columns, rows, formats)], [goal])


def _qualities(row: dict[str, Any]) -> list[Cell]:
    return [row["perplexity"], row["entropy"], row["distinct"][1], row["invalid"]]


# Codes


def codes(quick: bool, seed: int, tick: Tick) -> Section:
    """Semantic codes against binary ones at equal budget."""
    rows: list[Sequence[Cell]] = []
    bits = {}
    for book in ("binary", "semantic"):
        tick(book)
        name = "shakespeare-bits" if book == "binary" else "shakespeare-semantic"
        options = ("--method", "bits", "--codes", book, "--seed", str(seed))
        run = trained(tick, name, str(corpus(tick)), quick, *options)
        few = ("--n", "8" if quick else "256", "--steps", "16" if quick else "128")
        found = evaluated(tick, run, quick, *few, "--churns", "0.0", "0.1", "0.2", "0.3")
        once, twice = (row["bits_per_byte"] for row in [*found["bits_per_byte"].values()][:2])
        bits[book] = twice
        for key, made in found["generated"].items():
            rows.append([book, once, twice, key, *_qualities(made)])
    goal = Goal("Bits per byte of semantic codes over binary ones, two passes",
                bits["semantic"] / bits["binary"], "at most", 1, ".3f")  # fmt: skip
    columns = ["codes", "bits per byte, one pass", "two passes", "text", "perplexity", "entropy",
               "distinct-2", "no token"]  # fmt: skip
    formats = {
        "bits per byte, one pass": ".3f", "two passes": ".3f", "perplexity": ".1f",
        "entropy": ".3f", "distinct-2": ".3f", "no token": ".2%",
    }  # fmt: skip
    about = "The same network, budget, seed and text; 128 calls for each generated window."
    return Section("Codes", [Table("Frontier", about, columns, rows, formats)], [goal])


# Cost


@dataclass(frozen=True)
class Cost:
    """parameters: numbers that are trained.  peak: bytes of tensors in a training step.  rate:
    tokens per second.
    """

    parameters: int
    peak: int
    rate: float


Loss = Callable[[], Tensor]
# Windows of 64 tokens: memory is counted without computing, so there may be more of them.
_LENGTH, _COUNTED, _TIMED = 64, 32, 2


def cost(quick: bool, seed: int, tick: Tick) -> Section:
    """A training step on the same trunk for larger and larger vocabularies."""
    torch.manual_seed(seed)
    found: dict[tuple[str, int], Cost] = {}
    for size in VOCABULARIES[:1] if quick else VOCABULARIES:
        for head in HEADS:
            tick(f"{head}, {size} tokens")
            found[head, size] = _measured(head, size, quick)
    rows: list[Sequence[Cell]] = [
        [head, size, c.parameters, c.peak / 2**20, c.rate] for (head, size), c in found.items()
    ]
    small, large = min(s for _, s in found), max(s for _, s in found)
    more = found["bits", large].peak / found["bits", small].peak - 1
    slower = found["bits", small].rate / found["bits", large].rate - 1
    span = f"from {small} to {large} tokens, bits"
    goals = [
        Goal(f"Growth of memory {span}", more, "at most", 0.05, ".1%"),
        Goal(f"Growth of time {span}", slower, "at most", 0.05, ".1%"),
    ]
    about = (
        "The small trunk: forward, backward and AdamW, with a first pass for half the windows of"
        f" bits. Memory is the most that tensors hold at {_COUNTED} windows of {_LENGTH} tokens,"
        " counted and not allocated, the table of codes included; time is that of"
        f" {_TIMED} windows on one thread, without what other programs take, the least of some"
        " steps. softmax embeds tokens and gives a logit for each, as masked and autoregressive"
        " models do; embedding does so from noisy embeddings."
    )
    columns = ["head", "vocabulary", "parameters", "MiB", "tokens/s"]
    table = Table("Step", about, columns, rows, {"MiB": ".0f", "tokens/s": ".0f"})
    return Section("Cost against the vocabulary", [table], goals)


def _measured(head: str, size: int, quick: bool) -> Cost:
    make = HEADS[head]
    with FakeTensorMode(), _Peak() as counter:
        network, loss = make(size, _COUNTED, None)
        _steps(network, loss, 2)
        parameters = sum(p.numel() for p in network.parameters())
    book = binary_codes(size) if head == "bits" else None
    peak = counter.peak + (0 if book is None else book.codes.nbytes)
    network, loss = make(size, _TIMED, book)
    _steps(network, loss, 1)
    seconds = []
    for _ in range(1 if quick else 5):
        start = time.process_time()
        _steps(network, loss, 1)
        seconds.append(time.process_time() - start)
    return Cost(parameters, peak, _TIMED * _LENGTH / min(seconds))


def _steps(network: nn.Module, loss: Loss, steps: int) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    for _ in range(steps):
        loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()


def _bits(size: int, windows: int, book: CodeBook | None) -> tuple[nn.Module, Loss]:
    """Without a book the bits are there already: codes are looked up by their values."""
    bits = bits_for(size)
    denoiser = make_denoiser(bits, PRESETS["small"], 0)
    ids = torch.randint(0, size, (windows, _LENGTH))
    half = windows // 2

    def loss() -> Tensor:
        x0 = torch.zeros(windows, _LENGTH, bits)
        if book is not None:
            x0 = book.encode(ids).to(torch.float32)
        sigma = torch.rand(windows) + 0.1
        x = x0 + sigma[:, None, None] * torch.randn_like(x0)
        with torch.no_grad():
            first = denoiser(x[:half], sigma[:half])
        previous = torch.full_like(x, 0.5)
        previous[:half] = first
        logits = denoiser.logits(x, sigma, previous=previous)
        return functional.mse_loss(logits.sigmoid(), x0)

    return denoiser, loss


def _softmax(size: int, windows: int, book: CodeBook | None) -> tuple[nn.Module, Loss]:
    network = Masked(size, PRESETS["small"])
    ids = torch.randint(0, size, (windows, _LENGTH))
    return network, lambda: masked_cost(network, ids).mean() / _LENGTH


def _embedding(size: int, windows: int, book: CodeBook | None) -> tuple[nn.Module, Loss]:
    network = EmbeddingDenoiser(size, PRESETS["small"])
    ids = torch.randint(0, size, (windows, _LENGTH))

    def loss() -> Tensor:
        noise = torch.randn(windows, _LENGTH, network.channels)
        sigma = torch.rand(windows) + 0.5
        return cross_entropy(network(noise, sigma, ids, logits=True), ids).mean()

    return network, loss


HEADS = {"bits": _bits, "softmax": _softmax, "embedding": _embedding}


def _gone(reference: StorageWeakRef) -> bool:
    expired: bool = reference.expired()  # type: ignore[no-untyped-call]
    return expired


class _Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The most bytes that tensors made under it hold at a time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._live: dict[StorageWeakRef, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._see, out)
        self._live = {ref: size for ref, size in self._live.items() if not _gone(ref)}
        self.peak = max(self.peak, sum(self._live.values()))
        return out

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
        self._live[reference] = storage.nbytes()


SUITE = Suite(
    "text",
    "What schedules, samplers, codes and heads do to text",
    {
        "schedules": schedules,
        "baselines": baselines,
        "sampling": sampling,
        "codes": codes,
        "cost": cost,
    },
)

if __name__ == "__main__":
    SUITE.main()
