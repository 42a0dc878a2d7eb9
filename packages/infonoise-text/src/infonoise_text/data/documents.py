"""Files -> documents: text, JSON lines, Parquet, archives, folders, Hugging Face data sets.

Each source has one reader here, chosen by what the path is. Nothing in a text is changed: line
ends, white space and control characters stay as they are.
"""

import lzma
import os
import pydoc_data.topics
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_core.reading import (
    Packing,
    check_fits,
    check_regular,
    open_unpacked,
    parse_json,
    unpacked,
)
from infonoise_core.strays import is_shown, without_ours
from infonoise_text.data.options import EMBEDDED

HUB = "hf:"
_PACKINGS: dict[str, Packing] = {".gz": "gz", ".xz": "xz", ".bz2": "bz2"}
# Bytes of one line of JSON; a longer one has no line ends where there should be some.
_LINE_BYTES = 1 << 28
_TEXT = (".txt", ".text", ".md", ".rst")
_LINES = (".jsonl", ".ndjson")
_TAR = (".tar", ".tgz", ".txz", ".tbz2", ".tar.gz", ".tar.xz", ".tar.bz2")
_PARQUET = (".parquet",)
_DAMAGE = (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error)


@dataclass(frozen=True)
class Documents:
    """Texts that can be read any number of times, in the same order; empty ones are left out.

    Attributes:
        name: Of the source, for reports.
    """

    name: str
    read: Callable[[], Iterator[str]]

    def __iter__(self) -> Iterator[str]:
        return (text for text in self.read() if text)


def open_documents(source: str = EMBEDDED, field: str = "text") -> Documents:
    """The documents of `source`; reading them raises InputError at what cannot be read.

    A text file is one document, and so is each line of .jsonl and each row of .parquet. Files may
    be packed (.gz, .xz, .bz2) and lie in archives (.tar, .tar.xz ...) and folders, where those
    with a known suffix are read, in the order of their names.

    Args:
        source: "pydoc" (the documentation that comes with Python, one document per topic), a file,
            a folder, or "hf:NAME" or "hf:NAME,CONFIG" for the train split of a Hugging Face
            data set (a name on the hub or a folder that `save_to_disk` wrote).
        field: The text in JSON lines, Parquet and Hugging Face data sets.
    """
    if source == EMBEDDED:
        return Documents(EMBEDDED, lambda: iter(pydoc_data.topics.topics.values()))
    if source.startswith(HUB):
        return Documents(source, lambda: _read_hub(source.removeprefix(HUB), field))
    path = Path(source)
    if path.is_dir():
        return Documents(path.resolve().name, lambda: _read_folder(path, field))
    if not path.exists():
        raise InputError(
            f"{source}: not found; give a text file, a folder, an archive, .jsonl, .parquet,"
            f" hf:NAME or {EMBEDDED}"
        )
    return Documents(path.name, lambda: _read_file(path, field))


def _read_folder(folder: Path, field: str) -> Iterator[str]:
    files = sorted(_walk(folder), key=lambda file: file.relative_to(folder).parts)
    own = without_ours([file.relative_to(folder).as_posix() for file in files])
    known = [files[i] for i in own if _is_known(files[i].name)]
    if not known and len(own) < len(files):
        raise InputError(
            f"{folder}: is what infonoise wrote, a run or a model, and no data; give the text that"
            " it was trained on, or move other files out of it"
        )
    if not known:
        holds = f"holds {len(files)} files but none to read" if files else "is empty"
        kinds = " ".join((*_TEXT, *_LINES, *_PARQUET, *_TAR))
        raise InputError(f"{folder}: {holds}; give a folder of files such as {kinds}")
    for file in known:
        yield from _read_file(file, field)


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if is_shown(name)]
        yield from (Path(root, name) for name in files if is_shown(name))


def _is_known(name: str) -> bool:
    name = name.lower()
    return name.endswith((*_TAR, *_PARQUET)) or _unpacked(name).endswith((*_TEXT, *_LINES))


def _unpacked(name: str) -> str:
    packing = next((suffix for suffix in _PACKINGS if name.endswith(suffix)), "")
    return name.removesuffix(packing)


def _packing(name: str) -> Packing | None:
    return next((_PACKINGS[suffix] for suffix in _PACKINGS if name.endswith(suffix)), None)


def _read_file(path: Path, field: str) -> Iterator[str]:
    name = path.name.lower()
    check_regular(path)
    if name.endswith(_PARQUET):
        yield from _read_parquet(path, field)
        return
    try:
        if name.endswith(_TAR):
            yield from _read_tar(path, field)
            return
        with open_unpacked(path, _packing(name)) as stream:
            yield from _read_stream(stream, _unpacked(name), str(path), field)
    except _DAMAGE as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _read_tar(path: Path, field: str) -> Iterator[str]:
    found = 0
    # Listed first: a folder in it that is a run of ours may say so after its texts.
    own = frozenset(_texts_of(path))
    with open_unpacked(path) as unpacked_tar, tarfile.open(fileobj=unpacked_tar, mode="r|") as tar:
        for member in tar:
            if member.name not in own or not member.isfile() or member.issparse():
                continue
            found += 1
            stream = tar.extractfile(member)
            if stream is None:
                continue
            name, where = member.name.lower(), f"{path}:{member.name}"
            packed: Any = stream
            with stream, unpacked(packed, where, _packing(name)) as opened:
                yield from _read_stream(opened, _unpacked(name), where, field)
    if not found:
        kinds = " ".join((*_TEXT, *_LINES))
        raise InputError(f"{path}: holds no file to read; the suffixes known are {kinds}")


def _texts_of(path: Path) -> Iterator[str]:
    """Names of the files in a tar that hold text, in no hidden folder and none of ours."""
    names = []
    with open_unpacked(path) as unpacked_tar, tarfile.open(fileobj=unpacked_tar, mode="r|") as tar:
        while (member := tar.next()) is not None:
            names.append(member.name)
            tar.members.clear()  # type: ignore[attr-defined]
    for i in without_ours(names):
        if is_shown(names[i]) and _unpacked(names[i].lower()).endswith(_TEXT + _LINES):
            yield names[i]


def _read_stream(stream: IO[bytes], name: str, where: str, field: str) -> Iterator[str]:
    """The texts of a file.

    Args:
        name: In lower case; says whether it is JSON lines or plain text.
        where: For error messages.
    """
    if name.endswith((*_LINES, ".json")):
        yield from _read_lines(stream, where, field)
    else:
        yield _decoded(_whole(stream, where), where, 0)


def _whole(stream: IO[bytes], where: str) -> bytes:
    """All of a stream, which as text takes up to four times as much."""
    parts, size = [], 0
    while part := stream.read(1 << 22):
        parts.append(part)
        size += len(part)
        check_fits(2 * size, where)
    return b"".join(parts)


def _read_lines(stream: IO[bytes], where: str, field: str) -> Iterator[str]:
    offset = 0
    for number, line in enumerate(iter(lambda: stream.readline(_LINE_BYTES), b""), start=1):
        if len(line) == _LINE_BYTES:
            raise InputError(f"{where}, line {number}: has no end; give one object per line")
        text = _decoded(line, where, offset)
        offset += len(line)
        if text.strip():
            yield _text_of(text, field, f"{where}, line {number}")


def _text_of(line: str, field: str, where: str) -> str:
    row = parse_json(line, where, surrogates=True)
    if not isinstance(row, dict):
        raise InputError(f'{where}: not an object; give lines like {{"{field}": "..."}}')
    if field not in row:
        keys = ", ".join(map(str, list(row)[:8])) or "none"
        raise InputError(f"{where}: no field {field!r} (its fields: {keys}); name it with --field")
    return _checked(row[field], f"{where}: field {field!r}")


def _read_parquet(path: Path, field: str) -> Iterator[str]:
    parquet = require("pyarrow.parquet", "parquet", f"{path}: reading Parquet")
    arrow = require("pyarrow", "parquet", f"{path}: reading Parquet")
    try:
        with parquet.ParquetFile(path) as file:
            if field not in file.schema_arrow.names:
                keys = ", ".join(file.schema_arrow.names[:8])
                raise InputError(
                    f"{path}: no column {field!r} (its columns: {keys}); name it with --field"
                )
            row = 0
            for batch in file.iter_batches(batch_size=256, columns=[field]):
                for value in batch.column(0).to_pylist():
                    row += 1
                    yield _checked(value, f"{path}, row {row}: column {field!r}")
    except (OSError, UnicodeDecodeError, arrow.ArrowException) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _read_hub(source: str, field: str) -> Iterator[str]:
    library = require("datasets", "hf", f"{HUB}{source}: a Hugging Face data set")
    name, _, config = source.partition(",")
    try:
        if Path(name).is_dir():
            rows = library.load_from_disk(name)
            rows = rows["train"] if isinstance(rows, dict) else rows
        else:
            rows = library.load_dataset(name, config or None, split="train", streaming=True)
    except Exception as error:  # network, missing name, missing split: no common type
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{HUB}{source}: cannot be opened ({reason})") from error
    for number, row in enumerate(rows, start=1):
        if field not in row:
            keys = ", ".join(list(row)[:8])
            raise InputError(
                f"{HUB}{source}: no column {field!r} (its columns: {keys}); name it with --field"
            )
        yield _checked(row[field], f"{HUB}{source}, row {number}: column {field!r}")


def _decoded(content: bytes, where: str, offset: int) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where}: not UTF-8 at byte {offset + error.start}"
            f" (0x{content[error.start]:02x}); convert the file to UTF-8"
        ) from error


def _checked(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where} is {type(value).__name__}; give text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where} holds half of a surrogate pair, which is no text") from error
    return value
