"""Design towards a goal: expression of E. coli promoters, guided by one half and judged by another.

Two ensembles of small networks predict the measured expression, each trained on one half of the
training part. The first guides, the second judges: what only fools the guide does not count. Beside
guided designs stand as many of many unguided ones, the best by the guide's word, at equal calls of
the denoiser; and the best of the guided population, which was scored all the same.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from infonoise_bio.alphabet import Codes, codes_of
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.fasta import read_fasta
from infonoise_bio.data.sequences import SequenceSet, load_sequences
from infonoise_bio.evaluation.checks import diversity
from infonoise_bio.evaluation.copies import TrainingWords
from of_dna.designs import DNA, command, needed
from report import Cell, Goal, Section, Table
from suite import WORK, Tick

MPRA = DNA / "ecoli_promoters_165.csv.gz"
NUMBER = "log_expression"
STEPS, SAMPLES, MANY = 450, 64, 4
STRENGTHS = (1.0, 2.0, 4.0)
MEMBERS, PASSES = 3, 4
# Of unguided designs, whose solver calls the network twice at each level but the last.
LEVELS = 32
CALLS = 2 * LEVELS - 1
# Of the edit distance to each other of the best unguided ones: what counts as no less diverse.
_AS_UNLIKE = 0.9
# The first words of the table's rows.
UNGUIDED, GUIDED, BEST = "unguided", "guided", "best"


class Member(nn.Module):
    """One-hot bases (n, 4, L) -> a number (n,)."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std
        self.stem = nn.Conv1d(4, 64, 11, padding=5)
        self.far = nn.Conv1d(64, 64, 5, padding=4, dilation=2)
        self.drop, self.out = nn.Dropout(0.2), nn.Linear(128, 1)

    def forward(self, bases: Tensor) -> Tensor:
        h = nn.functional.silu(self.stem(bases))
        h = nn.functional.max_pool1d(h + nn.functional.silu(self.far(h)), 5)
        pooled = torch.cat([h.mean(2), h.amax(2)], 1)
        found: Tensor = self.out(self.drop(pooled))[:, 0]
        return self.mean + self.std * found


class Ensemble(nn.Module):
    """The mean of its members."""

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, bases: Tensor) -> Tensor:
        return torch.stack([member(bases) for member in self.members]).mean(0)


def towards(quick: bool, seed: int, tick: Tick) -> Section:
    """Guided, unguided and best-of-many designs, judged by the other half's ensemble."""
    folder = WORK / ("bio-towards-quick" if quick else "bio-towards")
    folder.mkdir(parents=True, exist_ok=True)
    data = load_sequences(needed(MPRA), numbers=[NUMBER])
    training, held_out = data.part("train"), data.part("test")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(training))
    tick("regressors")
    halves = [training.take(np.sort(order[i::2])) for i in range(2)]
    passes = 1 if quick else PASSES
    guide, judge = (_fit(half, passes, seed + 100 * i) for i, half in enumerate(halves))
    run = folder / "run"
    if not (run / "done.json").exists():
        tick("train")
        command([
            "train", str(MPRA), "--strand", "forward", "--numbers", NUMBER, "--out", str(run),
            "--steps", str(20 if quick else STEPS), "--batch-size", "96", "--lr", "2e-3",
            "--eval-every", str(20 if quick else STEPS), "--seed", str(seed),
        ])  # fmt: skip
    _write_oracle(guide, folder, held_out.length)
    n = 16 if quick else SAMPLES
    sets: dict[str, Codes] = {"held-out sequences": held_out.codes[:n]}
    tick("unguided")
    many = _sampled(run, folder / "many.fa", MANY * n, LEVELS, seed)
    sets[UNGUIDED] = many[:n]
    sets[f"{BEST} {n} of {MANY * n} unguided"] = _best(guide, many, n)
    for strength in STRENGTHS:
        tick(f"strength {strength:g}")
        found = _sampled(
            run, folder / f"guided-{strength:g}.fa", MANY * n, CALLS, seed,
            "--oracle", str(folder / "guide.pt2"), "--strength", str(strength),
            "--particles", str(MANY * n),
        )  # fmt: skip
        # They come in random order.
        sets[f"{GUIDED}, strength {strength:g}"] = found[:n]
        sets[f"{BEST} {n} of {MANY * n} guided, strength {strength:g}"] = _best(guide, found, n)
    reads = {"guide": _agreement(guide, held_out), "judge": _agreement(judge, held_out)}
    return _section(sets, guide, judge, TrainingWords(training.codes), reads)


def _best(guide: Ensemble, codes: Codes, n: int) -> Codes:
    """The n of the highest score, none twice, if there are as many."""
    order = np.argsort(-_said(guide, codes))
    first = np.sort(np.unique(codes[order], axis=0, return_index=True)[1])
    rest = np.setdiff1d(np.arange(len(codes)), first)
    chosen: Codes = codes[order][np.concatenate([first, rest])[:n]]
    return chosen


def _fit(half: SequenceSet, passes: int, seed: int) -> Ensemble:
    """Members that differ by their start and order of examples."""
    assert half.numbers is not None
    x, y = one_hot(half.codes), torch.from_numpy(half.numbers[:, 0])
    members = []
    for number in range(MEMBERS):
        torch.manual_seed(seed + number)
        member = Member(float(y.mean()), float(y.std()))
        optimizer = torch.optim.AdamW(member.parameters(), lr=2e-3, weight_decay=0.05)
        for _ in range(passes):
            for rows in torch.split(torch.randperm(len(x)), 64):
                loss = ((member(x[rows]) - y[rows]) / member.std).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        members.append(member.eval())
    return Ensemble(members).eval()


def one_hot(codes: Codes) -> Tensor:
    """(n, 4, L) of codes (n, L) 0..3; zeros where masked."""
    hot = nn.functional.one_hot(torch.from_numpy(codes.astype(np.int64)), 5)[..., :4]
    return hot.transpose(1, 2).float()


@torch.no_grad()
def _said(ensemble: Ensemble, codes: Codes) -> NDArray[np.float64]:
    parts = [ensemble(one_hot(codes[i : i + 256])) for i in range(0, len(codes), 256)]
    return torch.cat(parts).double().numpy()


def _agreement(ensemble: Ensemble, held_out: SequenceSet) -> float:
    assert held_out.numbers is not None
    return float(np.corrcoef(_said(ensemble, held_out.codes), held_out.numbers[:, 0])[0, 1])


def _write_oracle(guide: Ensemble, folder: Path, length: int) -> None:
    n = torch.export.Dim("n", min=2)
    example = (torch.zeros(4, 4, length),)
    torch.export.save(
        torch.export.export(guide, example, dynamic_shapes=({0: n},)), folder / "guide.pt2"
    )


def _sampled(run: Path, out: Path, n: int, levels: int, seed: int, *options: str) -> Codes:
    command([
        "sample", str(run), "--out", str(out), "--overwrite", "--samples", str(n),
        "--steps", str(levels), "--seed", str(seed), *options,
    ])  # fmt: skip
    letters = b"".join(codes_of(record.letters) for record in read_fasta(out, Counts()))
    return np.frombuffer(letters, np.uint8).reshape(n, -1)


def _section(
    sets: dict[str, Codes], guide: Ensemble, judge: Ensemble, words: TrainingWords,
    reads: dict[str, float],
) -> Section:  # fmt: skip
    cells: list[list[Cell]] = []
    judged: dict[str, float] = {}
    for name, codes in sets.items():
        judged[name] = float(_said(judge, codes).mean())
        distinct = len({row.tobytes() for row in codes}) / len(codes)
        cells.append([
            name, float(_said(guide, codes).mean()), judged[name], diversity(codes),
            words.nearness(codes).containment, distinct,
        ])  # fmt: skip
    heads = ["designs", "guide", "judge", "edit distance to each other", "16-mers from training",
             "different ones"]  # fmt: skip
    n = len(sets[UNGUIDED])
    table = Table(
        f"Mean predicted {NUMBER} of {n} sequences",
        f"Two ensembles of {MEMBERS} networks, each of one half of the training part of E. coli"
        f" promoters (165 bases); on held-out sequences the guide correlates with"
        f" {reads['guide']:.2f}, the judge with {reads['judge']:.2f}. The run has {STEPS} steps. A"
        f" population of {MANY * n} takes {CALLS} calls of the network for each particle, as"
        " unguided designs do; the best are those of the highest score by the guide.",
        heads,
        cells,
        dict.fromkeys(heads[1:], ".3f"),
    )
    return Section("Designs towards expression", [table], _goals(cells))


def _goals(cells: Sequence[Sequence[Cell]]) -> list[Goal]:
    """Of the highest by the judge among those that are as unlike each other as the best unguided.

    A law that is tilted far enough is one sequence: more of the score alone proves nothing.
    """
    rows = {str(name): [float(str(value)) for value in values] for name, *values in cells}
    (alone,) = (row for name, row in rows.items() if name.endswith(f" {UNGUIDED}"))
    guided = {name: row for name, row in rows.items() if f"{GUIDED}," in name}
    unlike = {name: row for name, row in guided.items() if row[2] >= _AS_UNLIKE * alone[2]}
    name, chosen = max((unlike or guided).items(), key=lambda found: found[1][1])
    return [
        Goal(f"judge's mean, {name}: minus that of unguided ones", chosen[1] - rows[UNGUIDED][1],
             "at least", 0.0, "+.3f"),
        Goal("the same minus the best of as many unguided, at equal calls of the network",
             chosen[1] - alone[1], "at least", 0.0, "+.3f"),
        Goal("the same: edit distance to each other, over that of the best unguided",
             chosen[2] / alone[2], "at least", _AS_UNLIKE, ".2f"),
        Goal("the same: share of different ones", chosen[4], "at least", 0.9, ".2f"),
        Goal("the same: 16-mers from training minus those of held-out sequences",
             chosen[3] - rows["held-out sequences"][3], "at most", 0.002, "+.4f",
             f"The best unguided ones have {alone[3] - rows['held-out sequences'][3]:+.4f}: what is"
             " strong has parts in common."),
    ]  # fmt: skip
