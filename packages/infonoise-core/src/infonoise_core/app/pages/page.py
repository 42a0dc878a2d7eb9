"""One HTML page that opens offline: every report of every domain is made of these."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from infonoise_core.app.domain import Samples
from infonoise_core.files import write_text

TEMPLATE = "page.html.j2"
# What the picture of a profile shows.
BELIEVED = (
    "Entropy rate of the data: nats lost per unit log sigma, as far as the schedule's ceiling and"
    " gate believe the training losses, with one standard error."
)
BEYOND = (
    "Dotted are the losses themselves: where they lie above, the network is still too weak for"
    " that noise, and no steps go there."
)


@dataclass(frozen=True)
class TableCells:
    """Text, cell by cell; the first column stands to the left."""

    header: Sequence[str]
    body: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, in the order of the fields.

    Attributes:
        figures: Caption -> SVG.
        samples: Caption -> PNG or text.
        terms: What is explained -> how.
    """

    title: str = ""
    text: str = ""
    tables: Sequence[TableCells] = ()
    figures: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, Samples] = field(default_factory=dict)
    terms: Mapping[str, str] = field(default_factory=dict)
    items: Sequence[str] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing below the heading."""
        parts = (self.tables, self.figures, self.samples, self.terms, self.items, self.text)
        return not any(parts)

    @property
    def images(self) -> dict[str, str]:
        """Caption -> PNG in base64."""
        return {
            caption: base64.b64encode(image).decode()
            for caption, image in self.samples.items()
            if isinstance(image, bytes)
        }

    @property
    def texts(self) -> dict[str, str]:
        """Caption -> text."""
        return {k: v for k, v in self.samples.items() if isinstance(v, str)}


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        answer: The finding, in a few sentences; empty for none.
        settings: Plain values that are folded away.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]
    answer: str = ""
    settings: Sequence[Any] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


def write_page(path: Path, page: Page) -> None:
    """Write the page all or nothing, making its folder if need be."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("infonoise_core.app.pages", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write_text(path, environment.get_template(TEMPLATE).render(page=page))
