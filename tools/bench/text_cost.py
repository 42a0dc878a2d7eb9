"""What a training step costs for larger and larger vocabularies: a part of the text benchmark."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from infonoise_text.codes.book import CodeBook, binary_codes, bits_for
from infonoise_text.data.windows import Examples
from infonoise_text.methods.embedding import EmbeddingDenoiser
from infonoise_text.methods.masked import Masked
from infonoise_text.methods.masked import cost as masked_cost
from infonoise_text.methods.tokens import cross_entropy
from infonoise_text.models.config import PRESETS
from infonoise_text.models.denoiser import make_denoiser
from report import Cell, Goal, Section, Table
from suite import Tick

VOCABULARIES = (2**15, 2**17, 2**20)


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
    return network, lambda: masked_cost(network, Examples(ids)).mean() / _LENGTH


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
