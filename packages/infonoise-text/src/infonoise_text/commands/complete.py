"""`infonoise-text complete` and `infill`, and how generated text is written."""

from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.reading import read_bytes
from infonoise_text.data.formats import json_records
from infonoise_text.data.formats.text import decoded
from infonoise_text.data.reading import Reading
from infonoise_text.data.spans import gaps, prompt
from infonoise_text.methods.trained import TextRun
from infonoise_text.methods.written import write_continued, write_texts
from infonoise_text.options import Complete, Infill
from infonoise_text.runs import open_run


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
