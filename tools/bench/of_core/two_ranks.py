"""Two processes under torch.distributed (gloo): one table to the last bit, and one estimate.

    python -m of_core.two_ranks --rank R --store FILE --out FILE

is what each of the two runs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from infonoise_core.analytic.exact import BinarySource
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.schedules.fixed import LogUniform
from infonoise_core.schedules.infonoise import InfoNoise
from of_core.sources import exact_losses
from report import Goal, Section, Table

WORLD, BATCH = 2, 512
STEPS, REFRESH = 40, 5
SPAN = (0.05, 20.0)
SOURCE = BinarySource(16)
TIMEOUT = 120
# Sums of 20,000 terms in another order, float64: sqrt(20,000) roundings of 1e-16, and room for the
# fit, which is a continuous function of them.
TOLERANCE = 1e-10

# "own" draws: each rank draws and observes by itself.  "shared": all ranks together observe the
# rows that one process would.  A row per refresh, a column per bin.
Tables = dict[str, Tensor]


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """What two ranks learned, compared with each other and with one process."""
    tick("two processes")
    ranks, alone = run_pair(seed), shared_observations(seed, 0, 1)
    differing = sum(
        int((ranks[0][name] != ranks[1][name]).any(1).sum()) for name in ("own", "shared", "rate")
    )
    apart = {
        name: float((ranks[0][name] - alone[name]).abs().max() / alone[name].max())
        for name in ("shared", "rate")
    }
    refreshes = len(ranks[0]["own"])
    return Section(
        "Two processes",
        [
            Table(
                "Two ranks of 256 against each other and against one of 512",
                f"{STEPS} steps of gloo on 16 bits, {refreshes} refreshes. With own draws every"
                " rank samples by itself, with shared ones both together see what the single"
                " process sees.",
                ["quantity", "value"],
                [
                    ["tables that differ in any bit between the ranks", differing],
                    ["largest difference to one process over the peak, density", apart["shared"]],
                    ["largest difference to one process over the peak, rate", apart["rate"]],
                ],
                {"value": ".1e"},
            )
        ],
        [
            Goal("Tables that differ between the ranks", differing, "equal to", 0),
            Goal(
                "Largest difference between two ranks and one process, over the peak",
                max(apart.values()), "at most", TOLERANCE, ".1e",
                "The bound is the rounding of float64 sums in another order.",
            ),
        ],
    )  # fmt: skip


def run_pair(seed: int) -> list[Tables]:
    """What each of two processes saw after every refresh."""
    path = [Path(__file__).parents[1], *filter(None, [os.environ.get("PYTHONPATH")])]
    with tempfile.TemporaryDirectory() as folder:
        outs = [Path(folder) / f"rank{rank}.safetensors" for rank in range(WORLD)]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "of_core.two_ranks", "--rank", str(rank),
                 "--seed", str(seed), "--store", str(Path(folder) / "store"), "--out", str(out)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
            )
            for rank, out in enumerate(outs)
        ]  # fmt: skip
        try:
            for process in processes:
                if process.wait(TIMEOUT):
                    raise RuntimeError(f"a rank ended with code {process.returncode}")
        finally:
            for process in processes:
                process.kill()
        return [load_file(out) for out in outs]


def shared_observations(seed: int, rank: int, world: int) -> Tables:
    """Each rank reports every world-th row of one stream of losses."""
    schedule, rng = _schedule(), torch.Generator().manual_seed(seed)
    # Not stratified over the ranks: the stream is the same in every process.
    unstratified = LogUniform(VarianceExploding(*SPAN), stratified=False)
    densities, rates = [], []
    for step in range(STEPS):
        sigma = unstratified.sample(BATCH, generator=rng)
        error = exact_losses(SOURCE, sigma, rng)
        schedule.observe(sigma[rank::world], error[rank::world])
        schedule.step()
        if (step + 1) % REFRESH == 0:
            densities.append(_density(schedule))
            rates.append(schedule.profile().rate)
    return {"shared": torch.stack(densities), "rate": torch.stack(rates)}


def own_draws(seed: int, rank: int, world: int) -> Tables:
    """Each rank draws its share of the batch and reports its own losses."""
    schedule, rng = _schedule(), torch.Generator().manual_seed(seed + 1 + rank)
    densities = []
    for step in range(STEPS):
        sigma = schedule.sample(BATCH // world, generator=rng)
        schedule.observe(sigma, exact_losses(SOURCE, sigma, rng))
        schedule.step()
        if (step + 1) % REFRESH == 0:
            densities.append(_density(schedule))
    return {"own": torch.stack(densities)}


def _schedule() -> InfoNoise:
    return InfoNoise(
        VarianceExploding(*SPAN), refresh_every=REFRESH, warmup_steps=2 * REFRESH, dim=SOURCE.dim
    )


def _density(schedule: InfoNoise) -> Tensor:
    return schedule.density((schedule.edges[:-1] * schedule.edges[1:]).sqrt())


def main() -> None:
    """One rank."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path, required=True, help="file where the ranks meet")
    parser.add_argument("--out", type=Path, required=True, help="file for the tables")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=options.store.as_uri(), rank=options.rank, world_size=WORLD
    )
    try:
        tables = own_draws(options.seed, options.rank, WORLD)
        tables |= shared_observations(options.seed, options.rank, WORLD)
        save_file(tables, options.out)
    finally:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
