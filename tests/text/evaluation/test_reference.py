"""References of a prepared corpus: all of its bytes, and n-gram models of them."""

import numpy as np
import pytest

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import SPLITS, Corpus
from infonoise_text.data.documents import Documents
from infonoise_text.data.prepare import prepare
from infonoise_text.evaluation.ngram import NGram, bits_per_symbol, byte_ids
from infonoise_text.evaluation.reference import byte_references, split_bytes, token_model


@pytest.fixture(scope="module")
def corpus(topics, tokenizer, tmp_path_factory) -> Corpus:
    out = tmp_path_factory.mktemp("reference") / "corpus"
    return prepare(Documents.of("topics", topics), out, tokenizer=tokenizer)


def test_a_split_has_the_bytes_of_its_documents(corpus: Corpus, topics: list[str]) -> None:
    found = {split: split_bytes(corpus, split).tobytes() for split in SPLITS}
    for split in SPLITS:
        assert len(found[split]) == corpus.manifest.splits[split].bytes > 0
    for text in topics:
        assert sum(text.encode() in content for content in found.values()) == 1
    assert found["train"].startswith(split_bytes(corpus, "train", 100).tobytes())


def test_byte_references_are_those_of_the_text(corpus: Corpus) -> None:
    found = byte_references(corpus, order=4)
    train, rest = (split_bytes(corpus, name).tobytes().decode() for name in ("train", "valid"))
    model = NGram(byte_ids(train), 256, 4)
    assert found == [bits_per_symbol(model.nats(byte_ids(rest), k)) for k in (1, 2, 3, 4)]
    # English: near 5 bits alone, less with every byte of context so far.
    assert 4 < found[0] < 6
    assert found[:3] == sorted(found[:3], reverse=True)
    assert byte_references(corpus, "test", 1) != found[:1]


def test_a_model_of_tokens_prefers_text_to_noise(corpus: Corpus) -> None:
    model = token_model(corpus)
    text = corpus.split("valid").ids[:2000]
    shuffled = np.random.default_rng(0).permutation(text)
    noise = np.random.default_rng(0).integers(0, corpus.tokenizer.size, 2000)
    found = [model.perplexity(ids) for ids in (text, shuffled, noise)]
    assert found == sorted(found)
    assert found[0] < 0.7 * found[1]


def test_a_corpus_without_held_out_text_is_refused(topics, tokenizer, tmp_path) -> None:
    corpus = prepare(Documents.of("empty", topics), tmp_path / "c", tokenizer=tokenizer)
    counts = corpus.manifest.splits["valid"]
    corpus.manifest.splits["valid"] = type(counts)(0, 0, 0, "")
    with pytest.raises(InputError, match="the train or the valid split is empty"):
        byte_references(corpus)
