"""A small tokenizer and its text, trained once for all tests of the package."""

import pydoc_data.topics

import pytest

from infonoise_text.tokens import SentencePiece, train_sentencepiece


@pytest.fixture(scope="session")
def topics() -> list[str]:
    """Twelve documents of real English, 70 kB."""
    return list(pydoc_data.topics.topics.values())[:12]


@pytest.fixture(scope="session")
def tokenizer(topics) -> SentencePiece:
    return train_sentencepiece(topics, 512)
