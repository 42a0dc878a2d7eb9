"""Preparing text takes the memory of a document, not of the file."""

import json
import random
import tracemalloc
from pathlib import Path

import pytest

from infonoise_text.data.documents import open_documents
from infonoise_text.data.prepare import prepare
from infonoise_text.tokenizers.characters import Characters

LETTERS = "abcdefgh \n"
# Characters of a document, and bytes that are kept of each: its hash and size in arrays, and again
# where they are sorted, as numbers of Python's where splits are drawn.
DOCUMENT, KEPT = 8_000, 500


def source(path: Path, documents: int, pairs: bool) -> Path:
    rng = random.Random(documents)
    with path.open("w") as file:
        for i in range(documents):
            text = f"{i:06d}".translate(str.maketrans("0123456789", LETTERS))
            text += "".join(rng.choices(LETTERS, k=DOCUMENT))
            record = {"text": text, "answer": text[::-1]} if pairs else {"text": text}
            file.write(f"{json.dumps(record)}\n")
    return path


@pytest.mark.parametrize("pairs", [False, True])
def test_memory_does_not_grow_with_the_file(pairs: bool, tmp_path: Path) -> None:
    """Of four times the text, the peak is the same but for what is kept of a document."""
    answer = "answer" if pairs else None

    def peak(documents: int) -> int:
        path = source(tmp_path / f"{documents}.jsonl", documents, pairs)
        read = open_documents(str(path), answer=answer)
        tracemalloc.start()
        prepare(read, tmp_path / str(documents), tokenizer=Characters(LETTERS))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)  # what is imported on the way
    few, many = 50, 200
    text = DOCUMENT * (1 + pairs)
    growth = peak(many) - peak(few)
    assert growth < KEPT * (many - few)
    # Far below a copy of the text.
    assert KEPT * (many - few) < text * (many - few) / 10
