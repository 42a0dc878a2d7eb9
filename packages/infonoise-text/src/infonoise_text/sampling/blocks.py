"""Text block by block: each is denoised behind the clean tokens of those before it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.sampling.churn import Churn
from infonoise_core.sampling.solvers import SOLVERS, solve
from infonoise_core.together import at_most, in_turn, team
from infonoise_text.codes.book import Codes
from infonoise_text.data.spans import Given
from infonoise_text.models.behind import Behind
from infonoise_text.models.denoiser import CENTRE, BitDenoiser
from infonoise_text.sampling.text import Calls, Generated, Own, check_given, read_bits


@dataclass(frozen=True)
class BlockSolver:
    """How each block is solved.

    Attributes:
        sigmas: (k,) descending.
        name: In core's SOLVERS.
        draws: Whether blocks are of one token whose distribution the network says, and a token is
            drawn from it at the first level, where noise hides it wholly: one call, and no error of
            steps.
    """

    sigmas: Tensor
    name: str = "euler"
    churn: Churn | None = None
    s_noise: float = 1.003
    draws: bool = False

    def __post_init__(self) -> None:
        if self.name not in SOLVERS:
            raise InputError(
                f"--solver {self.name}: no such solver; give one of {', '.join(SOLVERS)}"
            )

    def __call__(
        self, denoiser: nn.Module, clean: Tensor, known: Tensor, rngs: Sequence[torch.Generator]
    ) -> tuple[Tensor, int]:
        """Bits of a block (n, B, m) and how many calls they took.

        Args:
            clean: (n, B, m), read where tokens are `known` (n, B).
            rngs: Of each window.
        """
        noise = torch.stack([torch.randn(clean.shape[1:], generator=rng) for rng in rngs])
        start = (CENTRE + float(self.sigmas[0]) * noise).to(clean.device)
        if self.draws:
            bits = cast(BitDenoiser, denoiser)
            level = start.new_full((len(start),), float(self.sigmas[0]))
            if bits.blind:  # exactly what is behind the text before, without the noise's say
                start = torch.full_like(start, CENTRE)
            answer = bits(start, level, known=known, clean=clean, joint=True)
            drawn = bits.codes_of(_drawn(answer, rngs))
            return torch.where(known[..., None], clean, drawn), 1
        calls = Calls(denoiser, clean.shape[1], 1.0, carry=True, solver=SOLVERS[self.name])
        found = solve(
            calls, start, self.sigmas, calls.start, churn=self.churn, s_noise=self.s_noise,
            generator=rngs, condition={"known": known, "clean": clean},
        )  # fmt: skip
        return found.x, calls.nfe


def _drawn(log_odds: Tensor, rngs: Sequence[torch.Generator]) -> Tensor:
    """(n, B, V) -> ids (n, B), each window's by its own generator (Gumbel's maximum)."""
    shape = log_odds.shape[1:]
    uniform = torch.stack([torch.rand(shape, generator=rng) for rng in rngs])
    gumbel = -(-uniform.clamp_min(torch.finfo(torch.float32).tiny).log()).log()
    return (log_odds + gumbel.to(log_odds)).argmax(-1)


# Windows -> the denoiser of their first block.
First = Callable[[int], Behind]


def generate_blocks(
    first: First,
    book: Codes,
    n: int,
    length: int,
    solver: BlockSolver,
    own: Own,
    *,
    chunk: int = 64,
    given: Given | None = None,
    progress: Callable[[float, int], None] | None = None,
) -> Generated:
    """n windows of `length` tokens (n, length), on the CPU.

    Args:
        first: Of a denoiser in evaluation mode, as `Behind.first` is.
        own: The generator of each window, whatever `chunk` is.
        given: Tokens that stand where they are; those of a later block tell nothing of it.
        progress: Called after each block with the part of the n windows that it is, and n.

    Returns:
        As `generate_ids`; `nfe` counts the calls for a block, and every token is in one.
    """
    if n < 1:
        raise InputError(f"--n {n}: give at least 1")
    ids, known = torch.zeros(n, length, dtype=torch.long), torch.zeros(n, length, dtype=torch.bool)
    if given is not None:
        check_given(given, length)
        ids, known = (part.expand(n, length) for part in given)
    chunk = at_most(chunk, n)

    def made(part: int) -> Generated:
        rows = range(part * chunk, min((part + 1) * chunk, n))
        taken = slice(rows.start, rows.stop)

        def advance(share: float) -> None:
            if progress is not None:  # other processes do as much meanwhile
                progress(share * len(rows) * team().world, n)

        rngs = [own(i) for i in rows]
        return _written(first, book, solver, ids[taken], known[taken], rngs, advance)

    tokens, invalid, calls = zip(*in_turn(math.ceil(n / chunk), made), strict=True)
    return Generated(torch.cat(tokens), torch.cat(invalid), max(calls))


@torch.no_grad()
def _written(
    first: First,
    book: Codes,
    solver: BlockSolver,
    ids: Tensor,
    known: Tensor,
    rngs: Sequence[torch.Generator],
    advance: Callable[[float], None],
) -> Generated:
    """Some windows (n, length) from left to right, where they are not known."""
    ids, invalid, most = ids.clone(), torch.zeros_like(known), 0
    behind, length = first(len(ids)), ids.shape[1]
    device = next(behind.parameters()).device
    for start in range(0, length, behind.block):
        there = slice(start, min(start + behind.block, length))
        kept = known[:, there]
        if not bool(kept.all()):
            clean = book.encode(ids[:, there]).to(device, torch.float32)
            # A window that is given here draws nothing, whatever those beside it do.
            drawing = [
                torch.Generator() if given else rng
                for rng, given in zip(rngs, kept.all(1).tolist(), strict=True)
            ]
            x, calls = solver(behind, clean, kept.to(device), drawing)
            read, wrong = read_bits(book, x.cpu())
            ids[:, there] = torch.where(kept, ids[:, there], read)
            invalid[:, there] = wrong & ~kept
            most = max(most, calls)
        advance((there.stop - start) / length)
        if there.stop < length:
            behind = behind.then(book.encode(ids[:, there]).to(device, torch.float32))
    return Generated(ids, invalid, most)
