"""`infonoise-text complete` and `infill`, and how generated text is written."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.files import write_text
from infonoise_core.reading import read_bytes
from infonoise_core.training.progress import progress
from infonoise_text.data.formats import json_records
from infonoise_text.data.formats.text import decoded
from infonoise_text.data.reading import Reading
from infonoise_text.data.spans import Given, gaps, prompt
from infonoise_text.evaluation.quality import texts_of
from infonoise_text.methods.trained import TextRun
from infonoise_text.options import Complete, Infill, Output
from infonoise_text.runs import open_run
from infonoise_text.sampling.longer import continued
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import Generated

RULE = "-----"


def run_complete(config: Complete) -> None:
    """The prompt stands where a text begins."""
    texts = [config.prompt] if config.prompts is None else read_prompts(config.prompts)
    run = _opened(config)
    run.codes_for("complete")
    prompts = [run.tokenizer.encode(text) for text in texts]
    total = config.output.length or run.method.objective.length
    for ids in prompts:
        prompt(ids, total)  # refuses one that leaves no room
    print(write_continued(run, config.output, config.sampler, prompts))


def read_prompts(path: Path) -> list[str]:
    """The prompts in a file: of .jsonl the field `prompt` of each line, of others each line.

    Raises:
        InputError: Where there are none, or a line has none.
    """
    reading = Reading(field="prompt")
    if path.suffix in json_records.LINES:
        with path.open("rb") as file:
            found = list(json_records.read_lines(file, str(path), reading))
    else:
        lines = decoded(read_bytes(path), str(path)).splitlines()
        found = [line for line in lines if line.strip()]
    if not found:
        raise InputError(f"{path}: no prompts in it; give a line for each")
    return found


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
            lambda n, length, given, own: run.generate(n, length, sampler, given, own=own),
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
