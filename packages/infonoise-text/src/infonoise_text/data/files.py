"""Files -> documents, by the format that a name says: the one list of formats."""

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from infonoise_core.errors import InputError
from infonoise_core.folders.strays import is_shown, without_ours
from infonoise_core.reading import check_regular
from infonoise_text.data.formats import (
    archives,
    json_records,
    packed,
    parquet,
    table,
    text,
    unknown,
)
from infonoise_text.data.formats.packed import unpacked_name, unpacked_stream
from infonoise_text.data.reading import SPLIT_NAMES, Document, NoFieldError, Reading

Format = Callable[[BinaryIO, str, Reading], Iterator[Document]]
_FORMATS: Sequence[tuple[tuple[str, ...], Format]] = (
    (text.SUFFIXES, text.read),
    (json_records.LINES, json_records.read_lines),
    (json_records.WHOLE, json_records.read_whole),
    (table.COMMAS, table.read),
    (table.TABS, table.read_tabs),
    (parquet.SUFFIXES, parquet.read),
)
SUFFIXES = tuple(suffix for suffixes, _ in _FORMATS for suffix in suffixes)
# Left out of a folder where they hold no such records, and said.
_ASIDE = (*json_records.WHOLE, *table.COMMAS, *table.TABS)
KINDS = " ".join((*SUFFIXES, *archives.SUFFIXES))
# Files beside text that say what it is: where all others say a split, they are left out.
_ABOUT = frozenset({
    "readme", "license", "licence", "copying", "notice", "citation", "changelog", "requirements",
    "dataset_info", "dataset_infos", "dataset_dict", "metadata", "info", "config", "state", "vocab",
    "merges",
})  # fmt: skip
_LEFT_OUT, _BESIDE = "left out", "beside files whose names say a split"
_DAMAGE = (*packed.DAMAGE, *archives.DAMAGE)


def read_files(files: Sequence[tuple[Path, str]], reading: Reading) -> Iterator[Document]:
    """The documents of files, in the order given.

    Where the names of all files say a split (train.txt, wiki.valid.tokens, test/...), and training
    is among several, that is the split of their documents.

    Args:
        files: Each with the part of its path that may say a split.
    """
    splits = named_splits([name for _, name in files], reading)
    for (path, name), split in zip(files, splits, strict=True):
        if split == _LEFT_OUT:
            reading.leave_out(name, _BESIDE)
            continue
        for document in read_file(path, reading, chosen=not name):
            yield document if split is None else document._replace(split=split)


def read_file(path: Path, reading: Reading, *, chosen: bool = True) -> Iterator[Document]:
    """The documents of a file or an archive.

    Args:
        chosen: Whether it was named itself, and does not just lie in a folder.
    """
    name = path.name.lower()
    check_regular(path)
    try:
        if name.endswith(archives.SUFFIXES):
            yield from _read_archive(path, reading)
        else:
            with path.open("rb") as file, unpacked_stream(file, name, str(path)) as stream:
                yield from _read(stream, name, str(path), reading, chosen)
    except InputError:
        raise
    except _DAMAGE as error:
        reading.refuse(InputError(f"{path}: cannot be read ({error})"))


def _read_archive(path: Path, reading: Reading) -> Iterator[Document]:
    there = archives.names(path)
    shown = {there[i] for i in without_ours(there) if is_shown(there[i])}
    known = [name for name in there if name in shown and is_known(name)]
    if not known:
        raise InputError(f"{path}: holds no file to read; the suffixes known are {KINDS}")
    splits = dict(zip(known, named_splits(known, reading), strict=True))
    for member in archives.members(path):
        if member.name not in splits:
            if member.name in shown:
                reading.leave_out(f"{path.name}:{member.name}", "of no known kind")
            continue
        if splits[member.name] == _LEFT_OUT:
            reading.leave_out(f"{path.name}:{member.name}", _BESIDE)
            continue
        name, where = member.name.lower(), f"{path}:{member.name}"
        with unpacked_stream(member.stream, name, where) as stream:
            for found in _read(stream, name, where, reading, chosen=False):
                yield found._replace(split=splits[member.name])


def _read(
    stream: BinaryIO, name: str, where: str, reading: Reading, chosen: bool
) -> Iterator[Document]:
    """What a file holds: of an unknown suffix, plain text.

    Args:
        chosen: Whether the file was named itself.
    """
    if name.endswith(archives.SUFFIXES):
        reading.refuse(InputError(f"{where}: an archive in an archive; unpack the outer one first"))
        return
    plain = unpacked_name(name)
    suffix, read = next(
        ((s, read) for suffixes, read in _FORMATS for s in suffixes if plain.endswith(s)),
        (Path(plain).suffix or "without a suffix", unknown.read),
    )
    found = False
    try:
        for document in read(stream, where, reading):
            found = True
            yield document
    except InputError as error:
        counted = str(error) in reading.bad[-1:]
        if suffix in _ASIDE and not (chosen or found):
            # Such files lie beside text for other reasons too.
            del reading.bad[len(reading.bad) - counted :]
            reading.missing = reading.missing or error
            without = isinstance(error, NoFieldError)
            fields = " and ".join(map(repr, reading.fields.values()))
            why = f"without a field {fields}" if without else f"no {suffix[1:]} to read"
            reading.leave_out(Path(where).name, why)
            return
        if counted:
            raise  # a record was one too many
        reading.refuse(error)
    reading.files[suffix] += 1


def is_known(name: str) -> bool:
    """Whether a file is read that was not named itself."""
    name = name.lower()
    return name.endswith(archives.SUFFIXES) or unpacked_name(name).endswith(SUFFIXES)


def files_of(source: str, reading: Reading) -> list[tuple[Path, str]]:
    """The files of a folder, a pattern such as `books/*.txt` or a path, each with its name in it.

    Raises:
        InputError: Where there are none.
    """
    path = Path(source)
    if path.is_dir():
        return _in_folder(path, reading)
    if path.exists():
        return [(path, "")]
    if not glob.has_magic(source):
        raise InputError(
            f"{source}: not found; give a text file, a folder, an archive, .jsonl, .csv, .parquet,"
            " hf:NAME or pydoc"
        )
    found = sorted(Path(name) for name in glob.glob(source, recursive=True))
    files = [(file, file.name) for file in found if file.is_file()]
    if not files:
        raise InputError(f"{source}: no file is called so; correct the pattern or give a folder")
    return files


def _in_folder(folder: Path, reading: Reading) -> list[tuple[Path, str]]:
    there = sorted(_walk(folder), key=lambda file: file.relative_to(folder).parts)
    files = [there[i] for i in without_ours([f.relative_to(folder).as_posix() for f in there])]
    known = [file for file in files if is_known(file.name)]
    if not known and len(files) < len(there):
        raise InputError(
            f"{folder}: is what infonoise wrote, a run or a model, and no data; give the text that"
            " it was trained on, or move other files out of it"
        )
    if not known:
        holds = f"holds {len(files)} files but none to read" if files else "is empty"
        raise InputError(f"{folder}: {holds}; give a folder of files such as {KINDS}")
    for file in files:
        if not is_known(file.name):
            reading.leave_out(str(file.relative_to(folder)), "of no known kind")
    return [(file, str(file.relative_to(folder))) for file in known]


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if is_shown(name)]
        yield from (Path(root, name) for name in files if is_shown(name))


def named_splits(names: Sequence[str], reading: Reading) -> list[str | None]:
    """The split that each name says.

    None for all unless every one says one, and training is among several.
    """
    said = [_split_in(name) for name in names]
    about = [Path(unpacked_name(name.lower())).stem in _ABOUT for name in names]
    different = {split for split, aside in zip(said, about, strict=True) if split or not aside}
    if "train" in different and len(different) > 1 and None not in different:
        return [split or _LEFT_OUT for split in said]
    if len(different - {None}) > 1:
        reading.note = "only some file names say a split, so the splits are drawn anew"
    return [None] * len(names)


def _split_in(name: str) -> str | None:
    words = re.split(r"[^a-z]+", name.lower())
    said = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return said.pop() if len(said) == 1 else None
