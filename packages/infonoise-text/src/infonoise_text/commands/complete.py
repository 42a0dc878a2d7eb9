"""`infonoise-text complete` and `infill`, and how generated text is written."""

import json
import sys
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.files import write_text
from infonoise_core.training.progress import progress
from infonoise_text.data.spans import Given, gaps, prompt
from infonoise_text.evaluation.quality import texts_of
from infonoise_text.methods.trained import TextRun
from infonoise_text.options import Complete, Infill, Output
from infonoise_text.runs import open_run
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import Generated

RULE = "-----"


def run_complete(config: Complete) -> None:
    """The prompt stands where a window begins."""
    run = _opened(config)
    run.codes_for("complete")
    length = run.length(config.output.length)
    given = prompt(run.tokenizer.encode(config.prompt), length)
    print(write_texts(run, config.output, config.sampler, given, length))


def run_infill(config: Infill) -> None:
    """What is given stands around the gaps; what would follow the text is not shown."""
    run = _opened(config)
    run.codes_for("infill")
    length = run.length(config.output.length)
    if not config.mark or config.mark not in config.text:
        raise InputError(
            f"no gap to fill: put the mark {config.mark!r} into the text, or name another --mark"
        )
    parts = [run.tokenizer.encode(part) for part in config.text.split(config.mark)]
    given = gaps(parts, length, config.gap)
    shown = length
    if config.gap is not None:
        shown = sum(map(len, parts)) + config.gap * (len(parts) - 1)
    print(write_texts(run, config.output, config.sampler, given, shown))


def _opened(config: Complete | Infill) -> TextRun:
    config.output.check()
    return open_run(config.run, config.sampler.device)


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
