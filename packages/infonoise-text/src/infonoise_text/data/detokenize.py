"""Data sets that are published as tokens with spaces between them -> text as it was written.

Their tokenizers (Moses', the Penn Treebank's) put spaces around punctuation, and WikiText marks
what it cut inside of words. A model of subwords or of bytes reads text without that.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from infonoise_text.data.reading import Document

Documents = Iterator[Document]

# " @-@ " and the like: cut inside of a word or a number.
_JOINED = re.compile(r" @([-,.])@ ")
_BEFORE, _BEHIND = re.compile(r" +([.,;:?!%)\]}…]+)(?=[\s\"')\]]|$)"), re.compile(r"([(\[{$£€#]) ")
_QUOTED = re.compile(r'(?<!\S)" ([^"\n]*?) "(?!\w)')
# Penn's quotes, and two hyphens for a dash.
_PENN = re.compile(r"``\s?|\s?''")
# it 's, do n't; then the players ' room, in lines where it is no closing quote.
_CLITIC = re.compile(r"(?<=\w) (n't|'(?:s|S|t|d|m|ll|re|ve|em))\b")
_PLURAL = re.compile(r"(?<=\ws) '(?= [^']*(?:\n|$))")
_HEADING = re.compile(r"^ ?(=(?: =)*) (.*?) (=(?: =)*) ?$", re.MULTILINE)
# The title of an article, a heading of the first level.
_TITLE = re.compile(r"\s*= [^=\n](?:[^\n]*[^=\n])? =\s*")
_EDGES = re.compile(r"^ +| +$", re.MULTILINE)


def wikitext(documents: Documents) -> Documents:
    """Articles of WikiText (Merity et al. 2017), of lines or of whole files."""
    for article in _articles(documents):
        text = _HEADING.sub(_heading, _JOINED.sub(r"\1", article.text))
        yield Document(_written(text), article.split)


def lm1b(documents: Documents) -> Documents:
    """Sentences of the One Billion Word Benchmark (Chelba et al. 2014), a line each."""
    for document in documents:
        for line in document.text.split("\n"):
            yield Document(_written(line), document.split)


DETOKENIZERS: Mapping[str, Callable[[Documents], Documents]] = {"wikitext": wikitext, "lm1b": lm1b}


def _written(text: str) -> str:
    """Without the spaces that a tokenizer put around punctuation."""
    text = _PENN.sub('"', text)
    text = _CLITIC.sub(r"\1", text)
    text = _QUOTED.sub(r'"\1"', text)
    text = _BEHIND.sub(r"\1", _BEFORE.sub(r"\1", text))
    text = _PLURAL.sub("'", text)
    return _EDGES.sub("", text)


def _heading(found: re.Match[str]) -> str:
    left, title, right = found.groups()
    return f"{left.replace(' ', '')} {title} {right.replace(' ', '')}"


def _articles(documents: Documents) -> Documents:
    """Lines from one title to the next; a change of split ends an article too."""
    lines: list[str] = []
    split: str | None = None
    for document in documents:
        if document.split != split and lines:
            yield Document("".join(lines), split)
            lines = []
        split = document.split
        for line in _lines(document.text):
            if _TITLE.fullmatch(line) and any(map(str.strip, lines)):
                yield Document("".join(lines), split)
                lines = []
            lines.append(line)
    if lines:
        yield Document("".join(lines), split)


def _lines(text: str) -> list[str]:
    """Lines with their ends; a row of a data set may come without one."""
    lines = text.split("\n")
    return [line + "\n" for line in (lines if lines[-1] else lines[:-1])] or ["\n"]
