"""Tar archives from front to back: the same files however they are packed, and no damage passes."""

import io
import tarfile
from pathlib import Path

import pytest

from infonoise_core.training.data.tars import Member, tar_members

FILES = {"a/1.txt": b"one", "a/2.txt": b"", "b.bin": bytes(range(256)) * 9}


def packed(path: Path, mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("c.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "a/1.txt"
        archive.addfile(link)
    return path


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:xz", "w:bz2"])
def test_the_files_are_those_that_were_packed(tmp_path: Path, mode: str) -> None:
    path = packed(tmp_path / "a.tar", mode)
    assert {member.name: member.read() for member in tar_members(path)} == FILES
    # Passing over some gives the others.
    assert [m.read() for m in tar_members(path) if m.name == "b.bin"] == [FILES["b.bin"]]
    assert {member.plain for member in tar_members(path)} == {mode == "w:"}


def test_of_a_plain_archive_the_content_lies_at_the_offset(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.tar", "w:")
    content = path.read_bytes()
    for member in tar_members(path):
        found = content[member.offset : member.offset + member.size]
        assert found == FILES[member.name]


def test_an_archive_that_is_cut_short_anywhere_is_an_error(tmp_path: Path) -> None:
    whole = packed(tmp_path / "a.tar", "w:").read_bytes()
    # Up to the two blocks of zeros; what pads them may be missing.
    end = len(whole.rstrip(b"\0"))
    for size in range(256, end, 256):
        (tmp_path / "cut.tar").write_bytes(whole[:size])
        with pytest.raises(tarfile.TarError):
            list(map(Member.read, tar_members(tmp_path / "cut.tar")))
