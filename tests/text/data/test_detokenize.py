"""Data sets of tokens become text as it was written, article by article or line by line."""

from collections.abc import Sequence

import pytest

from infonoise_text.data.detokenize import DETOKENIZERS
from infonoise_text.data.documents import open_documents
from infonoise_text.data.reading import Document

WIKI = """ = A bridge =

 The bridge was built in 1 @,@ 900 by a well @-@ known firm ( see below ) , at a slope of
 2 @.@ 5 % . It wasn 't painted , and a sign said " Keep out ! " ; it 's gone .

 = = History = =

 = = = To 1914 = = =

 It cost $ 5 : a bargain [ 2 ] .
 = Second =
 Text here ?
"""


def texts(name: str, *given: str) -> list[str]:
    return [found.text for found in DETOKENIZERS[name](map(Document, given))]


def test_articles_of_wikitext() -> None:
    first, second = texts("wikitext", WIKI)
    assert first == (
        "= A bridge =\n\n"
        "The bridge was built in 1,900 by a well-known firm (see below), at a slope of\n2.5%."
        " It wasn't painted, and"
        ' a sign said "Keep out!"; it\'s gone.\n\n'
        "== History ==\n\n=== To 1914 ===\n\n"
        "It cost $5: a bargain [2].\n"
    )
    assert second == "= Second =\nText here?\n"


@pytest.mark.parametrize("end", ["\n", ""])
def test_lines_and_whole_files_give_the_same_articles(end: str) -> None:
    """The hub has a row for each line, with or without its end."""
    rows = [line + end for line in WIKI.removesuffix("\n").split("\n")]
    assert texts("wikitext", *rows) == texts("wikitext", WIKI)


def test_a_split_ends_an_article() -> None:
    rows = [Document(" = A =\n", "train"), Document(" x\n", "train"), Document(" y\n", "test")]
    found = list(DETOKENIZERS["wikitext"](iter(rows)))
    assert found == [Document("= A =\nx\n", "train"), Document("y\n", "test")]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("It isn 't so , he said .", "It isn't so, he said."),
        ("`` I did n't , '' she said ( twice ) .", '"I didn\'t," she said (twice).'),
        ('" Why ? " asked J. Doe -- 5 % , or £ 4.5 million ; yes !',
         '"Why?" asked J. Doe -- 5%, or £4.5 million; yes!'),
        ("The players ' room .", "The players' room."),
        ("a : b , c ...", "a: b, c..."),
        ("no tokens, no change (at all): it's \"text\".",
         "no tokens, no change (at all): it's \"text\"."),
    ],
)  # fmt: skip
def test_sentences_of_lm1b(given: str, written: str) -> None:
    assert texts("lm1b", given) == [written]


def test_each_line_of_lm1b_is_a_document(tmp_path) -> None:
    path = tmp_path / "news.en-00001-of-00100"
    path.write_text("One , two .\nThree .\n")
    found: Sequence[Document] = list(open_documents(str(path), detokenize="lm1b"))
    assert [document.text for document in found] == ["One, two.", "Three."]
