"""`infonoise-text complete` and `infill`."""

from infonoise_core.errors import InputError
from infonoise_text.data.spans import gaps
from infonoise_text.methods.pairs.behind import write_behind
from infonoise_text.methods.trained import TextRun
from infonoise_text.methods.written import write_texts
from infonoise_text.options import Complete, Infill
from infonoise_text.runs import open_run


def run_complete(config: Complete) -> None:
    """The prompt stands where a text begins, or is answered by a run of pairs."""
    run = _opened(config)
    texts = [config.prompt] if config.prompts is None else run.read_prompts(config.prompts)
    print(write_behind(run, config.output, config.sampler, texts))


def run_infill(config: Infill) -> None:
    """What is given stands around the gaps; what would follow the text is not shown."""
    run = _opened(config)
    run.refuse_pairs("infill", "ask for an answer with complete")
    run.codes_for("infill")
    run.refuse_ordered("infill")
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
