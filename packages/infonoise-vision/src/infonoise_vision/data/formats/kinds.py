"""Which files are images: by their endings, and where these say nothing by their first bytes."""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from weakref import WeakKeyDictionary

from infonoise_vision.data.formats.containers import Container
from infonoise_vision.data.formats.source import Content

SUFFIXES = (
    *(".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"),
    *(".jfif", ".jpe", ".jp2", ".avif", ".tga", ".ico", ".pbm", ".pgm", ".pnm", ".ppm"),
    *(".j2k", ".jpx", ".pjpeg", ".pjp", ".apng", ".dib"),
)
_HEIC_SUFFIXES = (".heic", ".heif")
# An ending that programs give; what a scrape leaves, as in cat.jpg?w=100 or cat.jpg.1, is none.
# Archives that are read when they are given themselves, and those that are not.
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz")
_FOREIGN = (".7z", ".rar")
# Arrays of numpy; those alone are to be put into an archive.
_ARRAYS = (".npz", ".npy")
_FROM_ARRAYS = "make one array of them and write it with numpy.savez(images=...)"
_COUNTED = 12
_ENDING = re.compile(r"\.[a-z][a-z0-9_]{0,9}")
_STARTS = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51\x00", b"\x00\x00\x01\x00",
    *(b"P%d%c" % (kind, space) for kind in range(1, 7) for space in b" \n\r\t#"),
)  # fmt: skip
# At the end of a TGA.
_TGA_END = b"TRUEVISION-XFILE.\x00"
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
# Of containers that were looked through: what has no ending is read for it. Images and HEIC.
_KNOWN: WeakKeyDictionary[Container, tuple[list[int], list[int]]] = WeakKeyDictionary()
CONVERT = "convert HEIC to JPEG or PNG first (ImageMagick: magick mogrify -format jpg *.heic)"


def suffix(name: str) -> str:
    """The ending of a file's name, small."""
    _, dot, ending = name.rpartition("/")[2].lstrip(".").rpartition(".")
    return f"{dot}{ending}".lower() if _ else ""


def is_image(name: str) -> bool:
    """Whether a file's name says that it is an image."""
    return suffix(name) in SUFFIXES


def image_places(container: Container) -> list[int]:
    """Places of the images, by name, and by content where a name has no ending."""
    return _looked_through(container)[0]


def _looked_through(container: Container) -> tuple[list[int], list[int]]:
    """Places of the images, and of HEIC without an ending that says so."""
    if container not in _KNOWN:
        _KNOWN[container] = _by_name_and_content(container)
    return _KNOWN[container]


def _by_name_and_content(container: Container) -> tuple[list[int], list[int]]:
    names = container.names
    unknown = [
        i for i, name in enumerate(names)
        if not _ENDING.fullmatch(suffix(name)) and i not in container.notes
    ]  # fmt: skip
    found = {i for i, name in enumerate(names) if is_image(name)}
    contents = container.contents(unknown) if unknown else iter(())
    heic = []
    for i, content in zip(unknown, contents, strict=True):
        if is_image_content(content):
            found.add(i)
        elif isinstance(content, bytes) and is_heic(content):
            heic.append(i)
    return sorted(found), heic


def is_image_content(content: Content) -> bool:
    """Whether the first bytes of a file are those of an image."""
    if not isinstance(content, bytes):
        return False
    webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    bitmap = content[:2] == b"BM" and content[6:10] == bytes(4)
    ended = content.endswith(_TGA_END)
    return content.startswith(_STARTS) or webp or bitmap or ended or content[4:12] == b"ftypavif"


def is_heic(content: bytes) -> bool:
    """Whether the first bytes of a file are those of a telephone's HEIC."""
    return content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS


def say_left_out(container: Container, images: Iterable[int]) -> None:
    """A line about the files that are neither images nor labels, if there are any."""
    taken = {*images, *container.notes}
    heic = {*_looked_through(container)[1]}
    kinds = Counter(
        suffix(name) or (_HEIC_SUFFIXES[0] if i in heic else "without an ending")
        for i, name in enumerate(container.names)
        if i not in taken and not is_image(name)
    )
    if not kinds:
        return
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    counts = ", ".join(f"{n} {kind}" for kind, n in ordered[:_COUNTED])
    rest = ordered[_COUNTED:]
    more = f" and {sum(n for _, n in rest)} of other kinds" if rest else ""
    fix = f"; {CONVERT}" if kinds.keys() & set(_HEIC_SUFFIXES) else ""
    print(
        f"note: {container.path}: left out as no images of a kind that is read: {counts}{more}"
        f"{fix}",
        file=sys.stderr,
    )


def no_images(container: Container) -> str:
    """Why a container without images is refused."""
    names = container.names
    if any(suffix(name) in _HEIC_SUFFIXES for name in names) or _looked_through(container)[1]:
        return f"{container.path}: holds HEIC and no other image; {CONVERT}"
    archives = sorted(name for name in names if suffix(name) in (*_ARCHIVES, *_FOREIGN))
    if archives:
        more = f" and {len(archives) - 1} others" if len(archives) > 1 else ""
        fix = f"give {container.path / archives[0]}, or unpack it here"
        if suffix(archives[0]) in _FOREIGN or not container.path.is_dir():
            fix = "unpack it"
        return f"{container.path}: holds {archives[0]}{more} and no image; {fix}"
    arrays = sorted(name for name in names if suffix(name) in _ARRAYS)
    if arrays and container.path.is_dir():
        here = container.path / arrays[0]
        fix = f"give {here}" if suffix(arrays[0]) == ".npz" else _FROM_ARRAYS
        more = f" and {len(arrays) - 1} others" if len(arrays) > 1 else ""
        return f"{container.path}: holds {arrays[0]}{more} and no image; {fix}"
    endings = Counter(suffix(name) or "without an ending" for name in names).most_common(4)
    kinds = ", ".join(f"{n} {kind}" for kind, n in endings)
    holds = f"holds {len(names)} files but no image ({kinds})" if names else "is empty"
    return f"{container.path}: {holds}; give a folder of image files ({' '.join(SUFFIXES)})"


# Files that people have and that are not read -> what to do instead.
_INSTEAD = {
    (".mp4", ".avi", ".mov", ".mkv", ".webm"): "write its frames as images, such as with ffmpeg",
    (".h5", ".hdf5", ".pt", ".pth", ".pkl", ".pickle", ".tfrecord", ".mat", ".dcm", ".nii"):
        "write its pictures as images, or with numpy.savez(images=..., labels=...)",
    _FOREIGN: "unpack it, and give the folder",
    _HEIC_SUFFIXES: CONVERT,
    SUFFIXES: "one image is no set; give a folder of images, or an array of its frames",
}  # fmt: skip


def not_read(path: Path) -> str:
    """Why a file of no kind that is read is refused."""
    instead = (fix for endings, fix in _INSTEAD.items() if suffix(path.name) in endings)
    usual = (
        "give a folder of images, an .npz, .npy, .zip, .tar, .parquet or IDX file, hf:NAME or"
        " 'digits'"
    )
    return f"{path}: not a kind of file read here; {next(instead, usual)}"
