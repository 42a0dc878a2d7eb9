"""Processes of one run: they agree before the first step, and end together with one line each."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infonoise_core.errors import InputError
from infonoise_core.training.engines.ranks import Ranks, first_difference

AGREE = """
import sys
from dataclasses import dataclass
from infonoise_core.app import command
from infonoise_core.errors import InputError
from infonoise_core.training.engines import ranks

@dataclass(frozen=True)
class Options:
    '''A command.'''

    lr: float = 0.1
    '''rate'''

def go(options):
    engine = ranks.Ranks("cpu")
    def make():
        if options.lr < 0:
            raise InputError(f"--lr {options.lr}: give more than 0")
        return options
    engine.agree(make, lambda o: {"train": {"lr": o.lr, "seed": 1}})
    with ranks.others_alive(engine.world):
        if options.lr > 1 and engine.rank == 1:
            import os
            os.kill(os.getpid(), 9)
        engine.any(False)
    print("agreed")

sys.exit(command.run("prog", "1", {"train": (Options, go)}, ["train", *sys.argv[1:]]))
"""


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _ranks(*arguments: str, port: int | None = None) -> list[subprocess.CompletedProcess[str]]:
    port = port or _free_port()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", AGREE, *words.split()],
            env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1",
                 "WORLD_SIZE": str(max(2, len(arguments))), "MASTER_ADDR": "127.0.0.1",
                 "MASTER_PORT": str(port)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank, words in enumerate(arguments)
    ]  # fmt: skip
    outs = [process.communicate(timeout=90) for process in started]
    return [
        subprocess.CompletedProcess(p.args, p.returncode, out, err)
        for p, (out, err) in zip(started, outs, strict=True)
    ]


def test_ranks_that_agree_go_on() -> None:
    for ended in _ranks("", ""):
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "agreed\n", "")


def test_a_difference_is_one_line_on_every_rank() -> None:
    for ended in _ranks("", "--lr 0.2"):
        assert ended.returncode == 2
        (line,) = ended.stderr.splitlines()
        assert line.startswith("error: rank 1 was given other settings, data or code than rank 0")
        assert "train.lr is 0.2 there and 0.1 on rank 0" in line


def test_a_mistake_of_all_is_told_once_and_one_of_one_on_every_rank() -> None:
    first, second = _ranks("--lr -1", "--lr -1")
    assert (first.returncode, second.returncode) == (2, 2)
    assert first.stderr == "error: --lr -1.0: give more than 0\n"
    assert second.stderr == ""
    first, second = _ranks("", "--lr -1")
    assert first.stderr == "error: rank 1: --lr -1.0: give more than 0\n"
    assert second.stderr == "error: --lr -1.0: give more than 0\n"
    assert (first.returncode, second.returncode) == (2, 2)


def test_a_rank_that_dies_ends_the_others_with_one_line() -> None:
    first, second = _ranks("--lr 2", "--lr 2")
    assert (first.returncode, second.returncode) == (2, -9)
    (line,) = first.stderr.splitlines()
    assert line.startswith("error: another process of this run has ended")


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (ended,) = _ranks("", port=int(taken.getsockname()[1]))
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: the processes cannot meet at 127.0.0.1:")
    assert "the port is taken" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [("RANK", "x"), ("RANK", "-1"), ("RANK", "7"), ("WORLD_SIZE", ""), ("WORLD_SIZE", "9" * 5000),
     ("LOCAL_RANK", "1.5"), ("RANK", "²")],
)  # fmt: skip
def test_what_a_launcher_would_not_set(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for other in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"^{name}="):
        Ranks("cpu")


def test_the_first_difference_is_named_by_its_path() -> None:
    assert first_difference({"a": {"b": 1}, "c": 2}, {"a": {"b": 1}, "c": 2}) == ""
    assert first_difference({"a": {"b": 1}}, {"a": {}}) == "a.b is None there and 1 on rank 0"
    assert "x" * 81 not in first_difference({"a": "x" * 200}, {"a": 1})


def test_one_process_agrees_with_itself(tmp_path: Path) -> None:
    assert Ranks("cpu").agree(lambda: tmp_path, lambda path: {"path": path}) == tmp_path
