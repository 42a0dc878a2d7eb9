"""Text block by block: each is denoised behind the clean tokens of those before it."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.sampling.churn import Churn
from infonoise_core.sampling.solvers import SOLVERS, solve
from infonoise_core.together import at_most, in_turn
from infonoise_text.codes.book import Codes
from infonoise_text.data.spans import Given
from infonoise_text.models.behind import BlockDenoiser
from infonoise_text.models.denoiser import CENTRE
from infonoise_text.sampling.text import Calls, Generated, Own, check_given, read_bits


def generate_blocks(
    denoiser: BlockDenoiser,
    book: Codes,
    n: int,
    length: int,
    sigmas: Tensor,
    own: Own,
    *,
    solver: str = "euler",
    churn: Churn | None = None,
    s_noise: float = 1.003,
    chunk: int = 64,
    given: Given | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Generated:
    """n windows of `length` tokens (n, length), on the CPU.

    Args:
        sigmas: (k,) descending, the levels of every block.
        own: The generator of each window, whatever `chunk` is.
        given: Tokens that stand where they are; those of a later block tell nothing of it.

    Returns:
        As `generate_ids`; `nfe` counts the evaluations of one block, each token being in one.
    """
    if solver not in SOLVERS:
        raise InputError(f"--solver {solver}: no such solver; give one of {', '.join(SOLVERS)}")
    block = denoiser.network.trunk.block
    device = denoiser.network.tuples.device
    there, known = torch.zeros(n, length, dtype=torch.long), torch.zeros(n, length, dtype=torch.bool)
    if given is not None:
        check_given(given, length)
        there, known = (part.expand(n, length) for part in given)
    denoiser.eval()
    chunk = at_most(chunk, n)

    @torch.no_grad()
    def made(part: int) -> Generated:
        rows = slice(part * chunk, min((part + 1) * chunk, n))
        rngs = [own(i) for i in range(rows.start, rows.stop)]
        ids, kept = there[rows].clone(), known[rows]
        invalid, calls = torch.zeros_like(kept), 0
        behind = denoiser.first(len(rngs))
        for start in range(0, length, block):
            place = slice(start, min(start + block, length))
            clean = book.encode(ids[:, place]).to(device, torch.float32)
            if not bool(kept[:, place].all()):
                found, called = _solved(behind, clean, kept[:, place].to(device), rngs)
                calls = max(calls, called)
                decoded = read_bits(book, found.cpu())
                ids[:, place] = torch.where(kept[:, place], ids[:, place], decoded.ids)
                invalid[:, place] = decoded.invalid & ~kept[:, place]
                clean = book.encode(ids[:, place]).to(device, torch.float32)
            if place.stop < length:
                behind = behind.then(clean)
        return Generated(ids, invalid, calls)

    def _solved(
        behind: torch.nn.Module, clean: Tensor, kept: Tensor, rngs: list[torch.Generator]
    ) -> tuple[Tensor, int]:
        calls = Calls(behind, clean.shape[1], 1.0, True, SOLVERS[solver])
        noise = torch.stack([torch.randn(clean.shape[1:], generator=rng) for rng in rngs])
        found = solve(
            calls, (CENTRE + float(sigmas[0]) * noise).to(device), sigmas, calls.start,
            churn=churn, s_noise=s_noise, generator=rngs,
            condition={"known": kept, "clean": clean},
        )  # fmt: skip
        return found.x, calls.nfe

    parts = []
    for part in in_turn(math.ceil(n / chunk), made):
        parts.append(part)
        if progress is not None:
            progress(len(part.ids), n)
    ids, invalid, calls = zip(*parts, strict=True)
    return Generated(torch.cat(ids), torch.cat(invalid), max(calls))
