"""Records of shards and data sets, arrays on disk, and what happens to bad ones."""

import gzip
import io
import os
import pickle
import sys
import tarfile
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from infonoise_core import Denoiser, EDMDenoiser, LogUniform, VarianceExploding, edm_weight
from infonoise_core.errors import InputError
from infonoise_core.training.arrays import MappedArray
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.data import Order, micro_batches, permute
from infonoise_core.training.engine import EngineConfig
from infonoise_core.training.huggingface import HuggingFaceSource
from infonoise_core.training.loop import train
from infonoise_core.training.shards import TarShards, expand
from infonoise_core.training.sources import BadRecords, Examples, Record
from infonoise_core.training.task import Batch, Losses, denoising_losses
from infonoise_core.training.workers import Prefetch

# Arrays


def test_rows_of_an_npy_file_are_those_in_memory(tmp_path: Path) -> None:
    whole = np.random.default_rng(0).normal(size=(50, 3, 2))
    np.save(tmp_path / "x.npy", whole)
    mapped = MappedArray(tmp_path / "x.npy")
    index = np.array([3, 49, 3, 0])
    assert (len(mapped), mapped.shape, mapped.dtype) == (50, whole.shape, whole.dtype)
    assert np.array_equal(mapped[index], whole[index])
    assert np.array_equal(mapped[7], whole[7])
    assert np.array_equal(mapped[-2:], whole[-2:])


def test_rows_of_a_raw_file_are_windows_side_by_side(tmp_path: Path) -> None:
    ids = np.arange(1000, dtype=np.uint16)
    ids.tofile(tmp_path / "ids.bin")
    windows = MappedArray(tmp_path / "ids.bin", np.uint16, (64,))
    # 1000 = 15 * 64 + 40
    assert windows.shape == (15, 64)
    assert np.array_equal(windows[np.array([14, 2])], ids[:960].reshape(15, 64)[[14, 2]])
    assert MappedArray(tmp_path / "ids.bin", "u2").shape == (1000,)


def test_rows_are_copies_and_the_file_stays_as_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    mapped = MappedArray(tmp_path / "x.npy")
    mapped[np.array([1])][:] = 1
    mapped[1][:] = 1
    assert not np.load(tmp_path / "x.npy").any()


def test_a_mapped_array_is_pickled_as_its_path(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(100_000))
    text = pickle.dumps(MappedArray(tmp_path / "x.npy"))
    assert len(text) < 1000
    assert pickle.loads(text)[99_999] == 99_999


@pytest.mark.skipif(sys.platform != "linux", reason="fork")
def test_a_mapped_array_crosses_a_fork(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(100))
    mapped = MappedArray(tmp_path / "x.npy")
    # In the child of a fork, as a DataLoader's workers would read it.
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, int(mapped[42]).to_bytes(8, "little"))
        os._exit(0)
    os.waitpid(child, 0)
    assert int.from_bytes(os.read(read, 8), "little") == 42
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"hello world", (), "x.npy: not an .npy file; give one, or the dtype"),
        (b"\x93NUMPY\x01", (), "x.npy: damaged or cut short"),
        (b"12345", ("u2",), "x.npy: 5 bytes are no whole number of uint16"),
        (b"1234", ("u2", (3,)), "x.npy: 2 numbers are fewer than one row of 3"),
        (b"", ("u2",), "x.npy: 0 numbers are fewer than one row of 1"),
        (b"1234", ("u2", (0,)), "x.npy: rows of shape (0,); give 1 or more"),
        (b"12345678", ("O",), "x.npy: raw files hold no Python objects"),
    ],
)
def test_arrays_that_are_none(
    tmp_path: Path, content: bytes, arguments: tuple[object, ...], message: str
) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(InputError) as caught:
        MappedArray(tmp_path / "x.npy", *arguments)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_npy_files_that_cannot_be_rows(tmp_path: Path) -> None:
    for name, array, message in (
        ("objects.npy", np.array([{}, []], dtype=object), "holds Python objects"),
        ("scalar.npy", np.array(3.0), "holds a single number"),
        ("empty.npy", np.zeros((0, 4)), "holds no rows"),
    ):
        np.save(tmp_path / name, array, allow_pickle=True)
        with pytest.raises(InputError, match=rf"{name}: {message}"):
            MappedArray(tmp_path / name)
    np.save(tmp_path / "cut.npy", np.zeros(1000))
    os.truncate(tmp_path / "cut.npy", 4000)
    with pytest.raises(InputError, match=r"cut.npy: damaged or cut short"):
        MappedArray(tmp_path / "cut.npy")


# Shards


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def record(i: int) -> dict[str, bytes]:
    # Sizes around tar's block of 512 bytes.
    return {"bin": bytes([i % 256]) * (505 + i), "cls": str(i).encode()}


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Eleven shards of 1 to 11 records, in folders inside."""
    number = 0
    for shard in range(11):
        members = []
        for _ in range(shard + 1):
            members += [(f"a.b/{number:04d}.{e}", c) for e, c in record(number).items()]
            number += 1
        write_tar(tmp_path / f"data-{shard:03d}.tar", members)
    return tmp_path


@pytest.mark.parametrize("cached", [False, True])
def test_shards_give_every_record_by_its_number(shards: Path, cached: bool) -> None:
    cache = shards / "index" if cached else None
    pattern = f"{shards}/data-{{000..010}}.tar"
    for _ in range(2):
        source = TarShards(pattern, cache=cache)
        assert len(source) == 66
        for i in [*range(66), 3, 65, 0]:
            assert source[i] == record(i)
        assert source.name(65) == f"{shards}/data-010.tar:a.b/0065"
    with pytest.raises(IndexError):
        source[66]
    assert pickle.loads(pickle.dumps(source))[40] == record(40)
    assert len([*shards.glob("index/*")]) == (11 if cached else 0)


def test_an_index_of_an_earlier_or_damaged_file_is_built_anew(tmp_path: Path) -> None:
    path, cache = tmp_path / "a.tar", tmp_path / "cache"
    write_tar(path, [("1.txt", b"old")])
    assert TarShards(path, cache=cache)[0] == {"txt": b"old"}
    write_tar(path, [("1.txt", b"x" * 600), ("2.txt", b"new")])
    assert TarShards(path, cache=cache)[1] == {"txt": b"new"}
    (index,) = cache.iterdir()
    os.truncate(index, index.stat().st_size // 2)
    assert TarShards(path, cache=cache)[1] == {"txt": b"new"}


def test_two_shards_of_one_name_have_an_index_each(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        write_tar(tmp_path / folder / "0.tar", [("1.txt", folder.encode())])
    for _ in range(2):
        source = TarShards(f"{tmp_path}/{{a,b}}/0.tar", cache=tmp_path / "cache")
        assert [source[i]["txt"] for i in range(2)] == [b"a", b"b"]
    assert len([*(tmp_path / "cache").iterdir()]) == 2


def test_only_the_fields_asked_for_are_read(shards: Path) -> None:
    assert TarShards(shards / "data-003.tar", ("cls",))[1] == {"cls": b"7"}


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo("sub")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in [
            ("./sub/.hidden", b""),
            ("README", b"no ending"),
            ("\udcff.txt", b"no UTF-8"),
            ("./sub/x.JPG", b"1"),
            ("./sub/x.seg.png", b""),
            # A name so long that it has a header of its own.
            (f"sub/{'y' * 200}.jpg", b"\xff" * 513),
        ]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    source = TarShards(path)
    assert [source[i] for i in range(len(source))] == [
        {"txt": b"no UTF-8"},
        {"jpg": b"1", "seg.png": b""},
        {"jpg": b"\xff" * 513},
    ]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 4))
def test_patterns(first: int, more: int, width: int) -> None:
    pattern = f"a/{{x,y}}-{{{first:0{width}d}..{first + more}}}.tar"
    digits = [f"{i:0{max(width, len(str(first)))}d}" for i in range(first, first + more + 1)]
    assert expand(pattern) == [f"a/{split}-{d}.tar" for split in "xy" for d in digits]


def test_a_path_without_a_pattern_is_itself() -> None:
    assert expand("a b.tar") == ["a b.tar"]
    with pytest.raises(InputError, match=r"\{3..1\} runs backwards"):
        expand("{3..1}.tar")


def refused(*arguments: object) -> str:
    with pytest.raises(InputError) as caught:
        TarShards(*arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_shard_that_is_cut_short_anywhere_is_found(tmp_path: Path) -> None:
    members = [(f"{i}.bin", bytes(range(256)) * 3) for i in range(4)]
    whole = write_tar(tmp_path / "whole.tar", members).read_bytes()
    cut = tmp_path / "cut.tar"
    # Blocks: a header and two of content for each of four, then zeros to the end.
    for size in range(1, 4 * 3 * 512 + 512, 130):
        cut.write_bytes(whole[:size])
        message = refused(cut)
        assert message.startswith(f"{cut}: ")
        assert "cut short" in message or "not a tar file" in message
        if size > 3 * 512 + 512:
            assert "after record " in message
    cut.write_bytes(b"")
    assert "cut.tar: not a tar file" in refused(cut)


def test_a_shard_that_shrinks_later_is_a_bad_record(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [("1.bin", b"x" * 2000), ("2.bin", b"y" * 2000)])
    source = TarShards(path)
    os.truncate(path, 3000)
    assert len(source[0]["bin"]) == 2000
    with pytest.raises(InputError, match=r"a.tar:2: 2000 bytes are missing"):
        source[1]


def test_shards_that_are_refused(tmp_path: Path) -> None:
    again = write_tar(tmp_path / "again.tar", [("1.txt", b"a"), ("2.txt", b"b"), ("1.txt", b"c")])
    assert "again.tar: record 1 comes twice (1.txt)" in refused(again)
    twice = write_tar(tmp_path / "twice.tar", [("1.txt", b"a"), ("1.txt", b"b")])
    assert "twice.tar: record 1 comes twice (1.txt)" in refused(twice)
    apart = write_tar(tmp_path / "apart.tar", [("1.txt", b"a"), ("2.txt", b""), ("1.cls", b"b")])
    assert "apart.tar: record 1 comes twice (1.cls)" in refused(apart)
    packed = tmp_path / "packed.tar"
    packed.write_bytes(gzip.compress(again.read_bytes()))
    assert "packed.tar: packed, so no record" in refused(packed)
    assert "unpack it" in refused(packed)
    (tmp_path / "text.tar").write_text("no tar" * 1000)
    assert "text.tar: not a tar file" in refused(tmp_path / "text.tar")
    empty = write_tar(tmp_path / "empty.tar", [])
    assert "empty.tar: no records" in refused(empty)
    assert "no shards: no records" in refused([])
    pattern = f"{tmp_path}/data-{{0..3}}.tar"
    write_tar(tmp_path / "data-0.tar", [("1.txt", b"a")])
    assert "data-1.tar: no such shard" in refused(pattern)


def test_a_record_without_a_field_is_named(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [("1.jpg", b""), ("1.cls", b""), ("2.jpg", b"")])
    source = TarShards(path, ("jpg", "cls"))
    assert source[0] == {"jpg": b"", "cls": b""}
    with pytest.raises(InputError, match=r"a.tar:2: has no .cls, only .jpg; mend the shard"):
        source[1]


# Hugging Face


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders that the library wrote: rows, parts with two splits."""
    datasets = pytest.importorskip("datasets")
    root = tmp_path_factory.mktemp("hub")
    rows = {"text": [f"t{i}" for i in range(20)], "n": list(range(20))}
    data = datasets.Dataset.from_dict(rows)
    data.save_to_disk(root / "rows")
    datasets.DatasetDict({"train": data, "test": data.select([3])}).save_to_disk(root / "parts")
    datasets.DatasetDict({"train": data}).save_to_disk(root / "single")
    images = {"image": [{"bytes": b"no picture", "path": None}]}
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict(images, features=features).save_to_disk(root / "images")
    return root


def test_rows_of_a_data_set(hub: Path) -> None:
    source = HuggingFaceSource(hub / "rows")
    assert len(source) == 20
    assert [source[i] for i in (19, 0)] == [{"text": "t19", "n": 19}, {"text": "t0", "n": 0}]
    assert source.name(7) == f"{hub / 'rows'} row 7"
    assert HuggingFaceSource(hub / "rows", columns=("n",))[3] == {"n": 3}
    assert HuggingFaceSource(hub / "parts", "test")[0]["n"] == 3
    assert len(HuggingFaceSource(hub / "single")) == 20
    assert pickle.loads(pickle.dumps(source))[5] == source[5]
    with pytest.raises(IndexError):
        source[-1]


def test_images_of_a_data_set_come_as_bytes(hub: Path) -> None:
    assert HuggingFaceSource(hub / "images")[0]["image"]["bytes"] == b"no picture"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("parts", (), "parts: has several splits; give one of train, test"),
        ("parts", ("valid",), "parts: has no split valid; give one of train, test"),
        ("rows", ("train",), "rows: has no splits; leave train out"),
        ("rows", (None, ("txt",)), "rows: has no column txt; give some of text, n"),
        (".", (), "cannot be read as a Hugging Face data set"),
    ],
)
def test_data_sets_that_are_refused(
    hub: Path, name: str, arguments: tuple[object, ...], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        HuggingFaceSource(hub / name, *arguments)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'infonoise-core\[hf\]'"):
        HuggingFaceSource("anything")


# Bad records


class Numbers:
    """The numbers below n, but for bad ones."""

    def __init__(self, n: int, bad: frozenset[int] = frozenset()) -> None:
        self.n, self.bad = n, bad

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Record:
        if index in self.bad:
            raise InputError(f"{self.name(index)}: is bad")
        return {"x": index}

    def name(self, index: int) -> str:
        return f"number {index}"


def value(record: Mapping[str, object]) -> int:
    return int(str(record["x"]))


def quiet(limit: int) -> BadRecords:
    return BadRecords(limit, say=lambda line: None)


@given(st.integers(1, 30), st.sets(st.integers(0, 29)), st.integers(0, 5))
def test_in_the_place_of_a_bad_record_stands_the_next_good_one(
    n: int, bad: set[int], start: int
) -> None:
    bad = {i for i in bad if i < n}
    if len(bad) == n:
        bad.remove(0)
    expected = [next(j % n for j in range(i, i + n) if j % n not in bad) for i in range(n)]
    examples = Examples(Numbers(n, frozenset(bad)), value, quiet(n))
    # Whatever was read before.
    order = [*range(start, n), *range(n), *reversed(range(n))]
    assert examples.take(order) == [expected[i] for i in order]
    assert len(examples.bad) == len(bad)


def test_bad_records_are_named_first_and_counted_after() -> None:
    lines: list[str] = []
    examples = Examples(Numbers(20, frozenset(range(7))), value, BadRecords(7, lines.append))
    assert examples.take([0, 0, 3]) == [7, 7, 7]
    assert lines[0] == "bad record 1 of at most 7, skipped: number 0: is bad"
    assert lines[-1].endswith("number 4: is bad; more are only counted")
    assert len(lines) == 5
    assert examples.bad.summary() == (
        "7 bad records skipped (number 0, number 1, number 2, number 3, number 4, ...)"
    )
    assert quiet(3).summary() == ""


def test_above_the_limit_the_record_is_named() -> None:
    examples = Examples(Numbers(20, frozenset({3, 5, 9})), value, quiet(2))
    assert examples.take([3, 5, 3]) == [4, 6, 4]
    with pytest.raises(InputError) as caught:
        examples[9]
    assert str(caught.value) == (
        "number 9: is bad; 3 bad records are more than --bad-limit 2: mend the data or raise the"
        " limit"
    )
    with pytest.raises(InputError, match=r"number 3: is bad; 1 bad records are more than --bad-l"):
        Examples(Numbers(20, frozenset({3})), value, BadRecords())[3]


def test_the_count_goes_on_after_a_restart() -> None:
    source = Numbers(20, frozenset({3, 5, 9}))
    before = Examples(source, value, quiet(2))
    before.take([3, 5])
    after = Examples(source, value, quiet(2))
    after.bad.load_state_dict(before.bad.state_dict())
    assert after[3] == 4
    assert len(after.bad) == 2
    with pytest.raises(InputError, match="3 bad records"):
        after[9]


def test_only_input_errors_make_a_record_bad() -> None:
    def broken(record: Record) -> int:
        raise TypeError("a mistake in the program")

    with pytest.raises(TypeError):
        Examples(Numbers(3), broken, quiet(3))[0]


def test_options_are_checked() -> None:
    with pytest.raises(InputError, match="--workers -1: give 0 or more"):
        EngineConfig(workers=-1)
    with pytest.raises(InputError, match="--bad-limit -2: give 0 or more"):
        BadRecords(-2)


def test_when_all_are_bad_there_is_an_end() -> None:
    with pytest.raises(InputError, match="all 3 records are bad, the last: number 0"):
        Examples(Numbers(3, frozenset(range(3))), value, quiet(3))[1]
    with pytest.raises(InputError, match="--bad-limit -1: give 0 or more"):
        BadRecords(-1)
    with pytest.raises(InputError, match="there are no records"):
        Examples(Numbers(0), value, quiet(3))


# In the background


def test_prefetched_is_what_is_fetched() -> None:
    release = threading.Event()

    def fetch(position: int, count: int) -> tuple[int, int]:
        # The first is the slowest: the order must not come from who is ready first.
        if position == 0 and count:
            release.wait(0.05)
        return position, count

    plan = [(i, i % 3) for i in range(50)]
    for workers in (0, 1, 3):
        with Prefetch(fetch, plan, workers) as batches:
            assert [*batches] == plan


def test_the_next_are_prepared_while_nobody_asks() -> None:
    done = threading.Semaphore(0)

    def fetch(position: int, count: int) -> int:
        done.release()
        return position

    with Prefetch(fetch, [(i, 1) for i in range(100)], workers=2) as batches:
        assert next(batches) == 0
        # Two workers, two ahead of each, and the one that was asked for.
        assert all(done.acquire(timeout=10) for _ in range(5))
        # And no more than that.
        assert not done.acquire(timeout=0.05)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_comes_in_its_place(workers: int) -> None:
    def fetch(position: int, count: int) -> int:
        if position == 3:
            raise InputError("number 3: is bad")
        return position

    with Prefetch(fetch, [(i, 1) for i in range(9)], workers) as batches:
        assert [next(batches) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(InputError, match="number 3"):
            next(batches)
        assert next(batches) == 4


def test_the_threads_end_with_the_block() -> None:
    before = threading.active_count()
    entered, gate = threading.Event(), threading.Event()

    def fetch(position: int, count: int) -> int:
        if position:
            entered.set()
            gate.wait(0.05)
        return position

    def body() -> None:
        with Prefetch(fetch, [(i, 1) for i in range(1000)], workers=2) as batches:
            next(batches)
            entered.wait(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        body()
    assert threading.active_count() == before
    with pytest.raises(InputError, match="--workers -1: give 0 or more"):
        Prefetch(fetch, [], -1)


def test_after_its_end_there_is_nothing_more() -> None:
    batches = Prefetch(lambda position, count: position, [(0, 1)] * 9, workers=1)
    next(batches)
    batches.close()
    assert [*batches] == []


@given(
    st.integers(1, 40),
    st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 3), (4, 3)]),
    st.integers(0, 3),
    st.integers(0, 5),
)
def test_every_position_once_whatever_the_ranks_workers_and_restarts(
    n: int, division: tuple[int, int], workers: int, resumed_at: int
) -> None:
    """What all ranks read of a source with bad records, put in order, is what one process reads
    from the beginning."""
    world, accumulate = division
    batch, steps = 12, 7
    source = Numbers(n, frozenset(range(1, n, 3)))
    one = Examples(source, value, quiet(n))
    whole = one.take(Order(n, 0).indices(0, steps * batch).tolist())
    found: dict[int, int] = {}
    for rank in range(world):
        examples, order = Examples(source, value, quiet(n)), Order(n, 0)

        def fetch(
            start: int,
            count: int,
            examples: Examples[int] = examples,
            order: Order = order,
        ) -> list[tuple[int, int]]:
            read = examples.take(order.indices(start, count).tolist())
            return [*zip(range(start, start + count), read, strict=True)]

        plan = micro_batches(
            batch, range(resumed_at, steps), rank=rank, world=world, accumulate=accumulate
        )
        with Prefetch(fetch, plan, workers) as batches:
            for pairs in batches:
                for position, example in pairs:
                    assert position not in found
                    found[position] = example
    assert [found[k] for k in sorted(found)] == whole[resumed_at * batch :]


@given(st.integers(1, 500), st.integers(0, 2**63 - 1))
def test_a_computed_permutation_is_one(n: int, seed: int) -> None:
    whole = permute(np.arange(n), n, seed)
    assert sorted(whole) == list(range(n))
    some = np.arange(n)[::-3]
    assert np.array_equal(permute(some, n, seed), whole[some])


def test_a_computed_permutation_is_like_a_drawn_one() -> None:
    """Neighbours, places, and two seeds are independent: the mean distance of two uniform numbers
    below 1 is 1/3, its standard deviation sqrt(1/18)."""
    n = 30_011
    one, other = (permute(np.arange(n), n, seed) / n for seed in (1, 2))
    tolerance = 5 * np.sqrt(1 / 18 / n)
    for a, b in ((one[1:], one[:-1]), (one, np.arange(n) / n), (one, other), (one[7:], one[:-7])):
        assert abs(np.mean(np.abs(a - b)) - 1 / 3) < tolerance
    # Differences modulo 1 are uniform too: 100 cells, chi-square with 99 degrees of freedom, whose
    # mean is 99 and standard deviation 14.
    counts = np.bincount((np.diff(one) % 1 * 100).astype(int), minlength=100)
    assert abs(np.sum((counts - n / 100) ** 2) / (n / 100) - 99) < 5 * 14


def test_an_order_of_very_many_examples_needs_no_room() -> None:
    n = 10**12
    order = Order(n, 3)
    indices = order.indices(n - 500, 1000)
    assert len(set(indices[:500])) == len(set(indices[500:])) == 500
    assert ((indices >= 0) & (indices < n)).all()
    assert np.array_equal(Order(n, 3).indices(n - 100, 200), indices[400:600])


def test_an_order_may_be_shared_by_threads() -> None:
    """At the borders between passes, where one thread is a pass ahead of another."""
    order, whole = Order(7, 1), Order(7, 1).indices(0, 7 * 400)
    plan = [(start, 5) for start in range(0, 7 * 400 - 5, 5)]
    with Prefetch(order.indices, plan, workers=4) as batches:
        for (start, count), found in zip(plan, batches, strict=True):
            assert np.array_equal(found, whole[start : start + count])


class Shades:
    """Two numbers a record, from shards of which some records are bad."""

    dim = 2

    def __init__(self, pattern: str, seen: list[int], stop_after: int = 10**9) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.denoiser: nn.Module = EDMDenoiser(TwoNumbers(), sigma_data=1.0)
        self.examples = Examples(TarShards(pattern, ("f32",)), self.decode, quiet(6))
        self.seen, self.stop_after = seen, stop_after

    @staticmethod
    def decode(record: Record) -> torch.Tensor:
        if len(record["f32"]) != 8:
            raise InputError(f"{len(record['f32'])} bytes are no two numbers")
        return torch.frombuffer(bytearray(record["f32"]), dtype=torch.float32)

    def __len__(self) -> int:
        return len(self.examples)

    def batch(self, index: np.ndarray) -> Batch:
        if len(self.seen) >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += index.tolist()
        return Batch(torch.stack(self.examples.take(index)))

    def losses(
        self, denoiser: Denoiser, batch: Batch, sigma: torch.Tensor, eps: torch.Tensor
    ) -> Losses:
        return denoising_losses(denoiser, batch, sigma, eps, edm_weight(1.0))


class TwoNumbers(nn.Linear):
    def __init__(self) -> None:
        super().__init__(3, 2)

    def forward(self, x: torch.Tensor, c_noise: torch.Tensor) -> torch.Tensor:
        return super().forward(torch.cat([x, c_noise[:, None]], 1))


def test_a_run_over_shards_with_bad_records_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(3, 7, 2)).astype(np.float32)
    for shard in range(3):
        members = [(f"{i}.f32", numbers[shard, i].tobytes()) for i in range(7)]
        members[shard] = (f"{shard}.f32", b"cut")
        members[6] = ("6.txt", b"no numbers")
        write_tar(tmp_path / f"{shard}.tar", members)
    pattern = f"{tmp_path}/{{0..2}}.tar"
    config = TrainConfig(updates=12, batch=8, save_every=5, log_every=5, eval_every=0)
    channel = VarianceExploding(0.02, 20.0)

    def run(out: str, seen: list[int], stop_after: int = 10**9) -> dict[str, torch.Tensor]:
        task = Shades(pattern, seen, stop_after)
        trained = train(task, LogUniform(channel), config, tmp_path / out)
        # Three are too short, and three have no numbers.
        assert len(task.examples.bad) == 6
        return trained.denoiser.state_dict()

    whole: list[int] = []
    first: list[int] = []
    second: list[int] = []
    uncut = run("whole", whole)
    with pytest.raises(KeyboardInterrupt):
        run("cut", first, stop_after=7 * 8)
    resumed = run("cut", second)
    assert first[: 5 * 8] + second == whole
    assert all(torch.equal(a, b) for a, b in zip(uncut.values(), resumed.values(), strict=True))
