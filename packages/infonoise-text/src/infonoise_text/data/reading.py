"""What is read of a source, what is left out, and why."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from infonoise_core.errors import InputError

# What a split may be called in the names of files, and what it is called here.
SPLIT_NAMES = {
    "train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid",
    "dev": "valid", "eval": "valid", "evaluation": "valid", "test": "test", "testing": "test",
    "heldout": "test", "holdout": "test",
}  # fmt: skip
# How many names a line shows.
_SHOWN = 3
# How many names of fields, and how many characters of each.
_NAMES, _NAME = 8, 40
_NOTHING = object()


class NoFieldError(InputError):
    """A record has no field of the name that was given."""


class Document(NamedTuple):
    """A text, and the split that it is given for, if any.

    Attributes:
        answer: Of a pair, whose `text` is the prompt.
    """

    text: str
    split: str | None = None
    answer: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The texts that end with an end of their own."""
        return (self.text,) if self.answer is None else (self.text, self.answer)


@dataclass
class Reading:
    """One pass over a source.

    Attributes:
        field: Where the text is in records; dots lead into records inside of them.
        answer: Where the answer is, if records are pairs of which `field` has the prompt.
        skip_bad: How many files or records may be left out because they cannot be read.
        files: Suffix -> how many files were read.
        left_out: Why -> names of files that were not read.
        bad: What was wrong with each file or record that was left out.
        documents: How many documents there were.
        empty: How many of them held nothing but white space, and were left out.
        note: Something else that a user should know.
        missing: What the first file was left out for that holds no such records.
    """

    field: str = "text"
    skip_bad: int = 0
    answer: str | None = None
    files: Counter[str] = dataclasses.field(default_factory=Counter)
    left_out: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    bad: list[str] = dataclasses.field(default_factory=list)
    documents: int = 0
    empty: int = 0
    note: str = ""
    missing: InputError | None = None

    def refuse(self, error: InputError) -> None:
        """Leave one file or record out.

        Raises:
            InputError: `error` itself, where no more may be left out.
        """
        self.bad.append(str(error))
        if len(self.bad) <= self.skip_bad:
            return
        if self.skip_bad:
            raise InputError(f"more than --skip-bad {self.skip_bad} are bad; the next: {error}")
        raise error

    @property
    def fields(self) -> dict[str, str]:
        """Option that gives it -> name of a field that is read of a record."""
        answer = {} if self.answer is None else {"--answer": self.answer}
        return {"--field": self.field, **answer}

    def document(self, record: Any, where: str, kind: str = "field") -> Document:
        """What a record holds; see `text_of`."""
        text, *answer = (
            text_of(record, field, where, kind, option) for option, field in self.fields.items()
        )
        return Document(text, None, *answer)

    def leave_out(self, name: str, why: str) -> None:
        """Say that a file is not read."""
        self.left_out.setdefault(why, []).append(name)

    def counted(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents that hold more than white space, of pairs in both parts."""
        for document in documents:
            if any(part.isspace() or not part for part in document.parts):
                self.empty += 1
                continue
            self.documents += 1
            yield document
        if self.missing is not None and not self.documents:
            raise self.missing

    def summary(self) -> str:
        """One line on what was read and what was left out."""
        total = sum(self.files.values())
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(self.files.items()))
        what = "documents" if self.answer is None else "pairs"
        parts = [f"{self.documents} {what}" + (f" in {total} files ({kinds})" if total else "")]
        if self.empty:
            parts.append(f"{self.empty} empty ones left out")
        for why, names in self.left_out.items():
            parts.append(f"{len(names)} files left out, {why}: {_some(names)}")
        if self.bad:
            parts.append(f"{len(self.bad)} bad ones left out: {_some(self.bad)}")
        return "; ".join(parts)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def text_of(
    record: Any, path: str, where: str, kind: str = "field", option: str = "--field"
) -> str:
    """The text in a record.

    Args:
        path: The field's name, or the way to it through records inside, with dots between.
        where: Of the record, for messages.
        kind: What a field is called in this format.
        option: That gives the name.

    Raises:
        InputError: Where it is not there or is no text.
    """
    if not isinstance(record, dict):
        raise InputError(f'{where}: not an object; give records like {{"{path}": "..."}}')
    value: Any = record
    for key in [path] if path in record else path.split("."):
        value = _inside(value).get(key, _NOTHING)
        if value is _NOTHING:
            fields = named(_ways(record))
            raise NoFieldError(
                f"{where}: no {kind} {path!r} (its {kind}s: {fields}); name it with {option}"
            )
    if ways := _ways(value):
        what = "a list" if isinstance(value, list) else "an object"
        inside = named([f"{path}.{way}" for way in ways])
        raise InputError(
            f"{where}: {kind} {path!r} is {what}; name what is in it: {option} {inside}"
        )
    return checked(value, f"{where}: {kind} {path!r}")


def _inside(value: Any) -> dict[Any, Any]:
    """What a record holds by name, and a list by number; anything else holds nothing."""
    if isinstance(value, list):
        return {str(number): item for number, item in enumerate(value)}
    return value if isinstance(value, dict) else {}


def lacks(record: Any, path: str) -> bool:
    """Whether a record has no such field."""
    try:
        text_of(record, path, "")
    except NoFieldError:
        return True
    except InputError:
        return False
    return False


def named(fields: Sequence[str]) -> str:
    """The first few names of fields, in a length for people."""
    return ", ".join(field[:_NAME] for field in fields[:_NAMES]) or "none"


def _ways(record: Any) -> list[str]:
    """Names of the first fields, those inside of records with dots, of lists by the first item."""
    ways: list[str] = []
    for key, value in list(_inside(record).items())[: 1 if isinstance(record, list) else None]:
        ways += [f"{key}.{way}" for way in _ways(value)] or [str(key)]
    return ways


def checked(value: object, where: str) -> str:
    """A value that is text; InputError for another."""
    if value is None:
        raise InputError(f"{where} is null; give text, or leave such records out with --skip-bad")
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{where} is bytes that are not UTF-8; give text") from error
    if not isinstance(value, str):
        raise InputError(f"{where} is {type(value).__name__}; give text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where} holds half of a surrogate pair, which is no text") from error
    return value
