"""Which ways to train a network fit on so many GPUs, and what each costs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from infonoise_core.app.memory import Memory, estimate
from infonoise_core.errors import InputError
from infonoise_core.training.config import EngineConfig

_FP32 = 4
# Of a GPU's memory, the part that is left to its context, libraries and temporaries.
_RESERVE = 10


@dataclass(frozen=True)
class Need:
    """What is to be trained.

    Attributes:
        parameters: How many.
        batch_size: Examples of an optimizer step, all processes together.
        activations: Bytes that the forward pass of one example leaves for the gradients
            (`memory.activation_bytes`); 0 where it is not known.
        checkpointed: The same with --activation-checkpointing.
    """

    parameters: int
    batch_size: int
    activations: int = 0
    checkpointed: int = 0


@dataclass(frozen=True)
class Way:
    """A way to train it.

    Attributes:
        micro_batch: Examples of a forward pass of one process.
        exchanged: Bytes that a process sends, and receives, per optimizer step.
        room: Bytes that are left for what is not counted.
        fits: Whether they are enough for that.
    """

    engine: EngineConfig
    micro_batch: int
    memory: Memory
    exchanged: int
    room: int
    fits: bool

    @property
    def cost(self) -> tuple[bool, bool, int, int]:
        """Compared in this order: updates on the host, a second forward pass, bytes, divisions."""
        engine = self.engine
        host = engine.offload != "none"
        return host, engine.activation_checkpointing, self.exchanged, engine.grad_accum


def ways(
    need: Need,
    gpus: int,
    memory: int,
    precision: Literal["fp32", "bf16"] = "bf16",
    offload: bool = False,
) -> list[Way]:
    """One per engine, stage and checkpointing, each with as few micro-batches as fit.

    Where nothing fits, as many as there can be. Those that fit come first, in the order of cost,
    then those that lack least. A tenth of a GPU is left to what is not counted.

    Args:
        memory: Bytes of one GPU.
        offload: Also ways that keep what ZeRO updates in the host's memory.

    Raises:
        InputError: For a batch that the GPUs cannot share alike.
    """
    if need.batch_size % gpus:
        raise InputError(
            f"--batch-size {need.batch_size} does not divide into {gpus} processes: give a multiple"
        )
    own = need.batch_size // gpus
    engines = _engines(need, gpus, precision, offload)
    found = [_least(need, engine, own, gpus, memory) for engine in engines]
    fit = sorted((way for way in found if way.fits), key=lambda way: way.cost)
    return fit + sorted((way for way in found if not way.fits), key=lambda way: -way.room)


def exchanged(parameters: int, engine: EngineConfig, gpus: int) -> int:
    """Bytes that each process sends per optimizer step, by algorithms that send the least.

    A sum over p processes that all get takes 2 (p-1)/p of its bytes, one that each gets a part of,
    and gathering what each has a part of, half of that (Rajbhandari et al. 2020, ZeRO).
    """
    whole = _FP32 * parameters
    once = whole - whole // gpus
    if engine.engine == "torch" or engine.zero < 2:
        return 2 * once
    # Stage 2 sums the gradients of every micro-batch and gathers weights once per update; stage 3
    # gathers them for every forward and every backward pass.
    return (engine.grad_accum + 1 if engine.zero == 2 else 3 * engine.grad_accum) * once


def _engines(
    need: Need, gpus: int, precision: Literal["fp32", "bf16"], offload: bool
) -> Iterator[EngineConfig]:
    plain = EngineConfig(precision=precision)
    stages: tuple[Literal[1, 2, 3], ...] = (1, 2, 3)
    engines = [plain]
    if gpus > 1:
        engines += [replace(plain, engine="deepspeed", zero=zero) for zero in stages]
    if offload:
        host = replace(plain, engine="deepspeed", offload="optimizer")
        engines += [replace(host, zero=zero) for zero in stages]
    for engine in engines:
        yield engine
        if need.checkpointed:
            yield replace(engine, activation_checkpointing=True)


def _least(need: Need, engine: EngineConfig, own: int, gpus: int, memory: int) -> Way:
    """With the fewest micro-batches that fit; else with the most that there can be."""
    one = need.checkpointed if engine.activation_checkpointing else need.activations
    for count in (n for n in range(1, own + 1) if own % n == 0):
        divided = replace(engine, grad_accum=count)
        held = estimate(need.parameters, divided, gpus, one * (own // count))
        way = Way(
            divided, own // count, held, exchanged(need.parameters, divided, gpus),
            memory - held.peak, held.peak <= memory - memory // _RESERVE,
        )  # fmt: skip
        if way.fits:
            break
    return way
