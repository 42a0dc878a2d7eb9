"""What the names of folders and shards say: parts of a set, folds of one, images beside masks."""

import re
from collections.abc import Collection, Iterable, Sequence

TRAIN = ("train", "training")
# The first that is there is held out.
TEST = (
    *("test", "testing", "val", "valid", "validation"),
    *("dev", "eval", "evaluation", "holdout"),
)
# Words beside these that say nothing more, alone or at their end: train_images, testset.
_GENERAL = re.compile(r"(.*?)(?:images?|imgs?|set|data|dataset|split|part|batch|fold)s?")
_HELD_OUT = re.compile(r"(?:held|hold)[ _-]?out")
# Of one set in several folders; the number stands behind.
_NUMBERED = r"(?:.*[^a-z])?{}[ _-]*(\d+)"
_FOLDS = re.compile(_NUMBERED.format("(?:k?fold|cv|split)"))
_STRETCHES = re.compile(_NUMBERED.format("(?:part|batch|chunk|shard|images?|imgs?)"))
# Folders of images, and of what belongs to them, pixel by pixel; no classes where both are there.
IMAGES = frozenset({
    "image", "images", "img", "imgs", "jpegimages", "rgb", "target", "targets", "hr",
    "leftimg8bit",
})  # fmt: skip
MASKS = frozenset({
    "mask", "masks", "label", "labels", "annotation", "annotations", "segmentation",
    "segmentations", "segmentationclass", "segmentationobject", "gt", "groundtruth",
    "ground_truth", "depth", "input", "inputs", "source", "lr", "gtfine", "gtcoarse",
})  # fmt: skip
# Both domains of unpaired translation, as CycleGAN has them; and of pairs that are to be joined.
_DOMAINS = frozenset({"traina", "trainb", "testa", "testb", "vala", "valb"})
_SIDES = frozenset({"a", "b"})


def part_of(name: str) -> tuple[str, frozenset[str]] | None:
    """The word of TRAIN or TEST in a folder's name, and the other words that tell it from others.

    None where there is no such word, or more than one.
    """
    words = re.findall("[a-z]+", _HELD_OUT.sub("holdout", name.lower()))
    known, rest = [], set()
    for word in words:
        shorter = word if word in (*TRAIN, *TEST) else _without_general(word)
        if shorter in (*TRAIN, *TEST):
            known.append(shorter)
        elif shorter:
            rest.add(word)
    return (known[0], frozenset(rest)) if len(known) == 1 else None


def part_in(path: str) -> str | None:
    """The word of TRAIN or TEST in a path, of which those of TRAIN come first; None without one."""
    words = set(re.findall("[a-z]+", _HELD_OUT.sub("holdout", path.lower())))
    return next((word for word in (*TRAIN, *TEST) if word in words), None)


def _without_general(word: str) -> str:
    found = _GENERAL.fullmatch(word)
    return found[1] if found else word


def parts_among(folders: Iterable[str]) -> tuple[list[str], list[str]]:
    """The folders to train on, and those of test images, the one to hold out first.

    Those that are called so, where both kinds are there; else those whose names have such a word
    and agree in all others, as seg_train and seg_test. Where a kind is missing, its list is empty.
    """
    names = list(folders)
    plain = {name: name.lower() for name in names}
    train = [name for name in names if plain[name] in TRAIN]
    tests = _in_order({name: word for name, word in plain.items() if word in TEST})
    if train and tests:
        return train, tests
    words = {name: found for name in names if (found := part_of(name)) is not None}
    longer = [n for n, (word, _) in words.items() if word in TRAIN]
    rests = {words[name][1] for name in longer}
    others = {n: w for n, (w, rest) in words.items() if w in TEST and rest in rests}
    if others:
        there = {words[name][1] for name in others}
        return [name for name in longer if words[name][1] in there], _in_order(others)
    return train, tests


def _in_order(words: dict[str, str]) -> list[str]:
    return sorted(words, key=lambda name: (TEST.index(words[name]), name))


def folds_among(folders: Iterable[str]) -> list[str]:
    """Folders such as fold0, fold1, by their numbers; empty unless there are two or more."""
    return _numbered(folders, _FOLDS)


def is_stretched(folders: Collection[str]) -> bool:
    """Whether folders are stretches or folds of one set, such as images_001 and images_002."""
    several = len(folders)
    return several > 1 and several in (
        len(_numbered(folders, _STRETCHES)), len(_numbered(folders, _FOLDS)),
    )  # fmt: skip


def _numbered(folders: Iterable[str], kind: re.Pattern[str]) -> list[str]:
    found = {name: match for name in folders if (match := kind.fullmatch(name.lower()))}
    stems = {match.string[: match.start(1)] for match in found.values()}
    ordered = sorted(found, key=lambda name: (int(found[name][1]), name))
    return ordered if len(found) > 1 and len(stems) == 1 else []


def images_and_masks(folders: Sequence[str]) -> tuple[str, str] | None:
    """A folder of images and one of what belongs to them, where there are no other folders."""
    lower = {folder.lower() for folder in folders}
    if not (lower & IMAGES and lower & MASKS and lower <= IMAGES | MASKS):
        return None
    return (
        next(folder for folder in folders if folder.lower() in IMAGES),
        next(folder for folder in folders if folder.lower() in MASKS),
    )


def are_domains(folders: Collection[str]) -> bool:
    """Whether folders are two kinds of images and their parts, as trainA and trainB are."""
    return len(folders) > 1 and {folder.lower() for folder in folders} <= _DOMAINS


def are_sides(folders: Collection[str]) -> bool:
    """Whether folders are the two sides of pairs, A and B."""
    return {folder.lower() for folder in folders} == _SIDES
