"""`evaluate --text`: any text as a whole, by runs and by n-grams of what they were trained on."""

import hashlib
from collections.abc import Sequence

import torch

from infonoise_core.errors import InputError
from infonoise_core.evaluation.likelihood import Bound, per_unit
from infonoise_core.evaluation.schema import Evaluated, Row, Table
from infonoise_text.data.corpus import Corpus
from infonoise_text.data.documents import open_documents
from infonoise_text.evaluation.bound import NOT_COMPARABLE
from infonoise_text.evaluation.ngram import NGram, byte_ids
from infonoise_text.evaluation.reference import byte_model
from infonoise_text.evaluation.whole import WholeText, text_bound
from infonoise_text.methods.trained import TextRun
from infonoise_text.tokenizers.base import Tokenizer

_COLUMNS = (
    "bits per byte", "bits per character", "nats per token", "perplexity per token",
    "perplexity per word",
)  # fmt: skip
_ORDER = 6
_TOKEN_MODELS = {1: "unigram", 2: "bigram"}


def whole_text(
    source: str, stride: int | None, runs: Sequence[TextRun], corpus: Corpus, model: NGram
) -> Evaluated:
    """The table of a text.

    Args:
        source: A file, a folder or a pattern of names.
        stride: By how many tokens windows move on; None for what suits the method.
        model: Of the tokens that the runs were trained on.
    """
    text, content = read_text(source, corpus.tokenizer, runs[0])
    rows = [row for run in runs for row in _rows(run, text, stride)]
    for order, name in _TOKEN_MODELS.items():
        nats = torch.from_numpy(model.nats(text.ids.numpy(), order))
        bound = per_unit(nats, torch.ones(len(nats)))
        about = f"The exact cost under a {name} model of tokens, from counts of train."
        mark = "" if text.lossless else f" ({NOT_COMPARABLE})"
        rows.append(_row(f"token {name}{mark}", text, bound, about, with_errors=False))
    bytes_of_text = byte_ids(content)
    letters = byte_model(corpus, _ORDER)
    for order in range(1, _ORDER + 1):
        total = float(letters.nats(bytes_of_text, order).sum())
        about = f"The exact cost under a model of {order} bytes, from counts of train."
        bound = Bound(total / len(text.ids), 0.0)
        rows.append(_row(f"byte {order}-gram", text, bound, about, with_errors=False))
    settings = {
        "text": source,
        "tokens": len(text.ids),
        "bytes": text.bytes,
        "characters": text.characters,
        "words": text.words,
        "stride": stride or "half a window, or a whole one",
        "lossy": not text.lossless,
    }
    note = (
        "Each window is read behind what --stride leaves of the one before it; n-grams read on from"
        " the beginning. Perplexity per word divides by the words of the text, so that tokenizers"
        " can be compared."
    )
    if not text.lossless:
        note += (
            " The tokenizer does not give the text back, so less is paid for than is divided by: no"
            " number of a run or of tokens can be compared with those of other tokenizers."
        )
    title = f"{source}, {len(text.ids)} tokens"
    table = Table("text", title, _COLUMNS, rows, settings, note)
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    return Evaluated([table], about={"text": source, "digest": digest})


def read_text(source: str, tokenizer: Tokenizer, run: TextRun) -> tuple[WholeText, str]:
    """A text in the tokens of a run, documents one after the other, and its characters."""
    end = [] if tokenizer.end is None else [tokenizer.end]
    ids: list[int] = []
    parts, lossless = [], True
    for document in open_documents(source, run.field):
        found = tokenizer.encode(document.text)
        lossless = lossless and tokenizer.decode(found) == document.text
        ids += found + end
        parts.append(document.text)
    content = "".join(parts)
    if not content:
        raise InputError(f"--text {source}: no text in it")
    size = len(content.encode())
    words = sum(len(part.split()) for part in parts)
    return WholeText(torch.tensor(ids), size, len(content), words, lossless), content


def _rows(run: TextRun, text: WholeText, stride: int | None) -> list[Row]:
    length = run.method.objective.length
    step = stride or (max(1, length // 2) if run.takes_given else length)
    lossy = "" if text.lossless else f"; {NOT_COMPARABLE}"
    rows = []
    for how, cost in run.method.text_costs(run.denoiser).items():
        bound = text_bound(cost, text.ids, length, step)
        about = f"The cost of the text in windows of {length} tokens, {step} apart."
        rows.append(_row(f"{run.path.name} ({how}{lossy})", text, bound, about))
    return rows


def _row(name: str, text: WholeText, bound: Bound, about: str, *, with_errors: bool = True) -> Row:
    errors = text.errors(bound) if with_errors else {}
    errors = {key: value for key, value in errors.items() if value == value}
    return Row(name, text.measures(bound), errors, "lower", about)
