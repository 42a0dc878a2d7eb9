"""Judges with their real libraries, on a tiny causal model with random weights: nothing is
downloaded.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from infonoise_core.errors import InputError
from infonoise_text.cli import main
from infonoise_text.data.documents import Documents
from infonoise_text.data.prepare import prepare
from infonoise_text.evaluation.external import language_model, mauve
from infonoise_text.tokenizers.sentencepiece import SentencePiece

transformers = pytest.importorskip("transformers")
WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "it", "was", "so"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPT-2 with two layers of 8 channels, and a tokenizer of ten words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {"[UNK]": 0, **{word: i + 1 for i, word in enumerate(WORDS)}}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    out = tmp_path_factory.mktemp("lm") / "gpt2"
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="[UNK]", pad_token="[UNK]"
    )
    fast.save_pretrained(out)
    config = transformers.GPT2Config(
        vocab_size=len(vocabulary), n_positions=64, n_embd=8, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    network = transformers.GPT2LMHeadModel(config)
    # Random weights nearly say nothing; these tell words apart.
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    network.save_pretrained(out)
    return out


TEXTS = ["the cat sat on a mat", "it was so", "mat and", "mat", "a " * 30]


def test_perplexity_is_that_of_the_models_own_loss(folder: Path) -> None:
    """exp of the mean cost of all tokens but the first of each text, as the library counts it."""
    network = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    nats, tokens = 0.0, 0
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt").input_ids
        if ids.shape[1] < 2:
            continue
        with torch.no_grad():
            nats += float(network(ids, labels=ids).loss) * (ids.shape[1] - 1)
        tokens += ids.shape[1] - 1
    measure = language_model(str(folder))
    assert measure(TEXTS) == pytest.approx(math.exp(nats / tokens), rel=1e-5)
    with pytest.raises(InputError, match="no text of two tokens to read"):
        measure(["mat", ""])


@pytest.mark.parametrize("content", [None, "{}", '{"model_type": "gpt2"}'])
def test_a_folder_without_a_model_is_one_line(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"--lm .*: cannot be opened \([^\n]+\)$"):
        language_model(str(tmp_path))


def test_a_text_longer_than_the_model_reads_is_read_in_parts(folder: Path) -> None:
    """150 words for a model that reads 64: each costs what it does behind at least the 32 before,
    and up to 63."""
    network = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    text = " ".join(WORDS[i * i % 7] for i in range(150))
    ids = tokenizer(text, return_tensors="pt").input_ids
    nats = 0.0
    for begin, first, end in ((0, 1, 64), (32, 64, 96), (64, 96, 128), (96, 128, 150)):
        with torch.no_grad():
            law = network(ids[:, begin:end]).logits[0].log_softmax(-1)
        nats -= sum(float(law[i - begin - 1, ids[0, i]]) for i in range(first, end))
    found = language_model(str(folder))([text])
    assert found == pytest.approx(math.exp(nats / 149), rel=1e-5)


@pytest.mark.slow
def test_mauve_tells_a_law_from_another(folder: Path) -> None:
    pytest.importorskip("mauve")
    rng = torch.Generator().manual_seed(0)

    def texts(words: list[str], n: int = 30) -> list[str]:
        picks = torch.randint(0, len(words), (n, 6), generator=rng)
        return [" ".join(words[i] for i in row) for row in picks.tolist()]

    score = mauve(texts(WORDS), str(folder))
    same, other = score(texts(WORDS)), score(texts(WORDS[:1]))
    assert 0 < other < same <= 1
    with pytest.raises(InputError, match="MAUVE needs the folder"):
        mauve(["a"], "nowhere")


@pytest.mark.slow
def test_evaluate_prints_both(
    folder: Path, topics: list[str], tokenizer: SentencePiece, tmp_path: Path, capsys: Any
) -> None:
    pytest.importorskip("mauve")
    corpus = prepare(Documents.of("t", topics), tmp_path / "c", tokenizer=tokenizer)
    quick = ["--length", "8", "--batch-size", "4", "--steps", "6", "--eval-every", "0"]
    assert main(["train", str(corpus.folder), "--out", str(tmp_path / "run"), *quick]) == 0
    out = tmp_path / "e.json"
    options = ["--windows", "4", "--n", "8", "--steps", "3", "--churns", "0.0", "--out", str(out)]
    argv = ["evaluate", str(tmp_path / "run"), *options, "--lm", str(folder), "--mauve"]
    code = main(argv)
    captured = capsys.readouterr()
    assert code == 0, captured.err
    for row in json.loads(out.read_text())["tables"][1]["rows"]:
        assert row["values"]["perplexity by --lm"] > 1
        assert 0 < row["values"]["MAUVE"] <= 1
