"""Tar files of records: each by its number, indexes, patterns, and what is cut short."""

import gzip
import io
import os
import pickle
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_core.training.data.shards import TarShards, expand

from .record_sources import write_tar


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


# Patterns


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 4))
def test_patterns(first: int, more: int, width: int) -> None:
    pattern = f"a/{{x,y}}-{{{first:0{width}d}..{first + more}}}.tar"
    digits = [f"{i:0{max(width, len(str(first)))}d}" for i in range(first, first + more + 1)]
    assert expand(pattern) == [f"a/{split}-{d}.tar" for split in "xy" for d in digits]


def test_a_path_without_a_pattern_is_itself() -> None:
    assert expand("a b.tar") == ["a b.tar"]
    with pytest.raises(InputError, match=r"\{3..1\} runs backwards"):
        expand("{3..1}.tar")


# Bad shards


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
    with pytest.raises(InputError, match=r"a.tar:2: has no .cls, only .jpg; fix the shard"):
        source[1]
