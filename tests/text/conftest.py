"""A small tokenizer, its text, and runs on it: made once for all tests of the package."""

import pydoc_data.topics
from collections.abc import Callable
from pathlib import Path

import pytest

from infonoise_text.cli import main
from infonoise_text.data.documents import Documents
from infonoise_text.data.prepare import prepare
from infonoise_text.tokenizers.sentencepiece import SentencePiece, train_sentencepiece

from .command_line import QUICK, without_profiles


@pytest.fixture(scope="session")
def topics() -> list[str]:
    """Twelve documents of real English, 70 kB."""
    return list(pydoc_data.topics.topics.values())[:12]


@pytest.fixture(scope="session")
def tokenizer(topics) -> SentencePiece:
    return train_sentencepiece(topics, 512)


@pytest.fixture(scope="session")
def corpus(
    tmp_path_factory: pytest.TempPathFactory, topics: list[str], tokenizer: SentencePiece
) -> Path:
    """The documents as a prepared folder, with semantic codes."""
    out = tmp_path_factory.mktemp("prepared") / "corpus"
    documents = Documents.of("topics", topics)
    return prepare(documents, out, tokenizer=tokenizer, semantic=True).folder


@pytest.fixture(scope="session")
def train_as(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Callable[..., Path]:
    """Name, options -> a run of that name, of a few updates on the corpus."""

    def train(name: str, *options: str) -> Path:
        out = tmp_path_factory.mktemp("runs") / name
        assert main(["train", str(corpus), "--out", str(out), *QUICK, *options]) == 0
        return out

    return train


@pytest.fixture(scope="session")
def trained(train_as: Callable[..., Path]) -> Path:
    return train_as("trained")


@pytest.fixture(scope="session")
def edm(train_as: Callable[..., Path]) -> Path:
    return train_as("edm", "--schedule", "edm", "--codes", "semantic")


@pytest.fixture(scope="session")
def fixed(edm: Path) -> Path:
    """The same as the first releases left it, which measured no profile of it."""
    return without_profiles(edm, edm.parent / "fixed")


@pytest.fixture(scope="session")
def masked(train_as: Callable[..., Path]) -> Path:
    return train_as("masked", "--method", "masked")
