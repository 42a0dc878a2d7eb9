"""Plans of a training: closed forms of what is exchanged, and what fits."""

from typing import Any

import pytest

from infonoise_core.app.memory import estimate
from infonoise_core.commands import cli
from infonoise_core.commands.ways import Need, exchanged, ways
from infonoise_core.errors import InputError
from infonoise_core.training.config import EngineConfig

GIB = 2**30


@pytest.mark.parametrize(
    ("engine", "passes"),
    [
        ({}, 2), ({"grad_accum": 4}, 2), ({"engine": "deepspeed", "zero": 1, "grad_accum": 4}, 2),
        ({"engine": "deepspeed", "zero": 2}, 2), ({"engine": "deepspeed", "zero": 3}, 3),
        ({"engine": "deepspeed", "zero": 2, "grad_accum": 4}, 5),
        ({"engine": "deepspeed", "zero": 3, "grad_accum": 4}, 12),
    ],
)  # fmt: skip
def test_bytes_are_those_of_the_collectives(engine: dict[str, Any], passes: int) -> None:
    """Of 1000 numbers on 4 processes a pass is 3/4 of 4000 bytes; alone nothing is sent."""
    assert exchanged(1000, EngineConfig(**engine), 4) == passes * 3000
    assert exchanged(1000, EngineConfig(**engine), 1) == 0


def test_as_few_micro_batches_as_fit() -> None:
    need = Need(10**9, batch_size=64, activations=GIB)
    for way in ways(need, gpus=8, memory=28 * GIB):
        held = estimate(10**9, way.engine, 8, way.micro_batch * GIB)
        assert way.memory == held
        assert way.micro_batch * way.engine.grad_accum == 8
        if way.fits and way.engine.grad_accum > 1:
            fewer = way.engine.grad_accum // 2
            engine = EngineConfig(**{**vars(way.engine), "grad_accum": fewer})
            assert estimate(10**9, engine, 8, 8 // fewer * GIB).peak > 28 * GIB * 0.9


def test_cheapest_first_and_what_lacks_least_where_nothing_fits() -> None:
    fits = ways(Need(10**8, 64, GIB, GIB // 16), 8, 40 * GIB)
    assert [way.cost for way in fits] == sorted(way.cost for way in fits)
    lacks = ways(Need(10**11, 64), 8, 40 * GIB)
    assert not any(way.fits for way in lacks)
    assert [way.room for way in lacks] == sorted((way.room for way in lacks), reverse=True)


def test_ways_with_the_host_come_after_the_others_and_fit_where_they_do_not() -> None:
    found = ways(Need(10**9, 64), gpus=1, memory=16 * GIB, offload=True)
    assert [way.engine.offload for way in found if way.fits] == ["optimizer"] * 3
    assert not any(way.fits for way in ways(Need(10**9, 64), 1, 16 * GIB))
    larger = ways(Need(10**9, 64), gpus=1, memory=80 * GIB, offload=True)
    assert [way.engine.offload for way in larger] == ["none"] + ["optimizer"] * 3


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(InputError, match="does not divide into 8"):
        ways(Need(1000, 12), 8, GIB)


def test_the_command_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "462.4M", "--gpus", "8", "--memory", "16GiB", "--activations", "1546MiB"]
    assert cli.main(words) == 0
    found = capsys.readouterr()
    assert "the cheapest that fits: torchrun --nproc-per-node 8, train " in found.out
    assert found.err == ""
    assert "host" not in found.out
    host = ["plan", "1G", "--memory", "16GiB", "--offload", "optimizer", "--activations", "1GiB"]
    assert cli.main(host) == 0
    found = capsys.readouterr()
    assert "on the host" in found.out
    assert "train --engine deepspeed --zero 3 --offload optimizer --grad-accum" in found.out
    assert cli.main([*words[:4], "--memory", "1GiB"]) == 0
    found = capsys.readouterr()
    assert "nothing fits" in found.out
    assert "activations: not given" in found.err
    assert cli.main(["plan", "462.4M", "--gpus", "0"]) == 2
