"""Texts that a run generates, printed or written."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from infonoise_core.files import write_text
from infonoise_core.training.progress import progress
from infonoise_text.data.spans import Given
from infonoise_text.evaluation.quality import texts_of
from infonoise_text.methods.trained import TextRun
from infonoise_text.sampling.longer import continued
from infonoise_text.sampling.options import Output, TextSampler
from infonoise_text.sampling.text import Generated

RULE = "-----"


def write_continued(
    run: TextRun, output: Output, sampler: TextSampler, prompts: Sequence[Sequence[int]]
) -> str:
    """Texts behind each prompt, as long as --length says or to the ends of their documents.

    Returns:
        The texts to be printed, or a line about what was saved.
    """
    rows = [prompt for prompt in prompts for _ in range(output.samples)]
    total = output.length or run.method.objective.length
    with progress(len(rows), "sample") as reporter:
        texts, calls = continued(
            lambda n, length, given, own, heard: run.generate(
                n, length, sampler, given, heard, own
            ),
            rows, total, run.method.objective.length,
            seed=sampler.seed, end=None if output.past_end else run.tokenizer.end,
            grown=reporter.advance,
        )  # fmt: skip
    made = sum(len(text.ids) - len(row) for text, row in zip(texts, rows, strict=True))
    rate = sum(text.invalid for text in texts) / max(made, 1)
    words = f"{len(rows)} texts of up to {total} tokens, {calls} denoiser calls each"
    print(f"{words}, {rate:.2%} of the codes belong to no token", file=sys.stderr)
    shown = [run.tokenizer.decode(text.ids) for text in texts]
    if output.out is None:
        return "\n".join(f"{RULE}\n{text}" for text in shown)
    lines = [
        {"text": text, "tokens": found.ids, "invalid": found.invalid}
        | ({"prompt": run.tokenizer.decode(row)} if row else {})
        for text, found, row in zip(shown, texts, rows, strict=True)
    ]
    write_text(output.out, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
    return f"{output.out}: written"


def write_texts(
    run: TextRun, output: Output, sampler: TextSampler, given: Given | None, shown: int
) -> str:
    """Generate, and save the first `shown` tokens of each window, or return them to be printed."""
    length = shown if given is None else len(given.ids)
    with progress(output.samples, "sample") as reporter:
        found = run.generate(
            output.samples, length, sampler, given, lambda done, _: reporter.advance(done)
        )
    ids, invalid = found.ids[:, :shown], found.invalid[:, :shown]
    texts = texts_of(run.tokenizer, ids)
    rate = float(invalid.double().mean())
    made = f"{output.samples} texts of {shown} tokens, {found.nfe} denoiser calls each"
    print(f"{made}, {rate:.2%} of the codes belong to no token", file=sys.stderr)
    if output.out is None:
        return "\n".join(f"{RULE}\n{text}" for text in texts)
    _save(output.out, texts, Generated(ids, invalid, found.nfe))
    return f"{output.out}: written"


def _save(out: Path, texts: list[str], found: Generated) -> None:
    """One object a line: the text, its tokens, and how many of their codes belong to no token."""
    counts = found.invalid.sum(1).tolist()
    lines = (
        json.dumps({"text": text, "tokens": ids, "invalid": count}, ensure_ascii=False)
        for text, ids, count in zip(texts, found.ids.tolist(), counts, strict=True)
    )
    write_text(out, "".join(f"{line}\n" for line in lines))
