"""Text from a trained denoiser: from nothing, behind a prompt, or around what is given."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.churn import Churn
from infonoise_core.sampling.generate import generate_chunks
from infonoise_core.sampling.guidance import guided
from infonoise_core.sampling.solvers import SOLVERS, Solver
from infonoise_text.codes.book import Codes, Decoded
from infonoise_text.data.spans import Given
from infonoise_text.models.denoiser import CENTRE

# Number of an example -> its generator.
Own = Callable[[int], torch.Generator]


def own_of(seed: int, block: int = 0, rows: Sequence[int] | None = None) -> Own:
    """A generator for each example, so that it is the same whatever is generated beside it.

    Args:
        block: Of a text that is longer than a window.
        rows: What the numbers of the examples are; by default they count from 0.
    """
    return lambda i: generator(seed, Stream.SAMPLE, i if rows is None else rows[i], block)


class Generated(NamedTuple):
    """Windows of new text.

    Attributes:
        ids: (n, L) int64.
        invalid: (n, L) bool, where the bits were no token's code; `ids` holds the likeliest token,
            or the unknown id.
        nfe: Network evaluations that were made for each example.
    """

    ids: Tensor
    invalid: Tensor
    nfe: int


def generate_ids(
    denoiser: nn.Module,
    book: Codes,
    n: int,
    length: int,
    sigmas: Tensor,
    *,
    solver: str = "euler",
    churn: Churn | None = None,
    s_noise: float = 1.003,
    seed: int = 0,
    chunk: int = 64,
    given: Given | None = None,
    guidance: float = 1.0,
    carry: bool = True,
    progress: Callable[[int, int], None] | None = None,
    own: Own | None = None,
    nearest: bool = False,
) -> Generated:
    """n windows of `length` tokens (n, length), on the CPU.

    Args:
        denoiser: A BitDenoiser.
        sigmas: (k,) descending.
        solver: A name in core's SOLVERS.
        given: Tokens that stand where they are, in every window or in each its own.
        guidance: Of the given tokens, 1 for none; more costs two evaluations a call, and that
            without the tokens starts from no belief, because the carried one has seen them.
        carry: Hand what each call believed to the next (self-conditioning), at no further
            evaluation.
        own: The generator of each window; by default from `seed`, whatever `chunk` is.
        nearest: Read a code that belongs to no token as the likeliest token, not the unknown one.
    """
    if solver not in SOLVERS:
        raise InputError(f"--solver {solver}: no such solver; give one of {', '.join(SOLVERS)}")
    condition = {} if given is None else given_condition(given, book, n, length)
    check_guidance(given, guidance)
    if n < 1:
        raise InputError(f"--n {n}: give at least 1")
    calls = Calls(denoiser, length, guidance, carry, SOLVERS[solver])
    denoiser.eval()
    chunks = generate_chunks(
        calls, (length, book.bits), n, sigmas, solver=calls.start, churn=churn, s_noise=s_noise,
        seed=seed, chunk=chunk, condition=condition, progress=progress, origin=CENTRE,
        device=next(denoiser.parameters()).device, own=own or own_of(seed),
    )  # fmt: skip
    # Bits take m times the room of ids, so no more than a chunk of them is kept.
    read = read_bits if nearest else _as_they_are
    decoded = [read(book, part.x) for part in chunks]
    ids, invalid = (torch.cat(parts) for parts in zip(*decoded, strict=True))
    return Generated(ids, invalid, calls.nfe)


def _as_they_are(book: Codes, x: Tensor) -> Decoded:
    return book.decode(x > CENTRE)


def read_bits(book: Codes, x: Tensor) -> Decoded:
    """(n, L, m) what was generated -> ids, none of them of a code that belongs to no token.

    Where the bits are such a code, the token is taken whose code they are nearest to.
    """
    ids, invalid = book.decode(x > CENTRE)
    return Decoded(ids.masked_scatter(invalid, book.nearest(x[invalid].clamp(0, 1))), invalid)


def check_guidance(given: Given | None, guidance: float) -> None:
    """InputError for guidance by tokens of which none is given."""
    if given is None and guidance != 1:
        raise InputError(
            f"--guidance {guidance:g} without given tokens: give a prompt, or leave it"
        )


def check_given(given: Given, length: int) -> None:
    """InputError for given tokens of another length."""
    there = given.ids.shape[-1]
    if there != length or given.known.shape[-1] != length:
        raise InputError(f"{there} tokens with what is given, in windows of {length}")


def given_condition(given: Given, book: Codes, n: int, length: int) -> dict[str, Tensor]:
    """A denoiser's `known` (n, length) and `clean` (n, length, m)."""
    check_given(given, length)
    clean = book.encode(given.ids).to(torch.float32)
    return {
        "known": given.known.expand(n, length),
        "clean": clean.expand(n, length, book.bits),
    }


class Calls:
    """A denoiser to solve with.

    It is guided, its beliefs are carried from call to call, what is given is put back, and
    evaluations are counted.
    """

    def __init__(
        self,
        network: nn.Module,
        length: int,
        guidance: float,
        carry: bool,
        solver: Callable[[], Solver],
    ) -> None:
        self._network, self._carry, self._solver = network, carry, solver
        nothing = torch.zeros(1, length, dtype=torch.bool, device=next(network.parameters()).device)
        self._denoiser = guided(self._evaluate, guidance, known=nothing, previous=None)
        self._previous: Tensor | None = None
        self.nfe = 0

    def start(self) -> Solver:
        """A solver for the next chunk, which knows nothing of the one before."""
        self._previous, self.nfe = None, 0
        return self._solver()

    def __call__(self, x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        denoised = self._denoiser(x, sigma, previous=self._previous, **condition)
        if "known" in condition:
            # Guidance reaches beyond the given bits too.
            denoised = torch.where(condition["known"][..., None], condition["clean"], denoised)
        if self._carry:
            self._previous = denoised.clamp(0, 1)
        return denoised

    def _evaluate(self, x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        self.nfe += 1
        denoised: Tensor = self._network(x, sigma, **condition)
        return denoised
