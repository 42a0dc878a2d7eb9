"""What a run makes of prompts, whichever run it is."""

from collections.abc import Sequence

from infonoise_core.errors import InputError
from infonoise_text.data.spans import prompt
from infonoise_text.methods.pairs.answers import write_answers
from infonoise_text.methods.trained import TextRun
from infonoise_text.methods.written import write_continued
from infonoise_text.sampling.options import Output, TextSampler


def write_behind(run: TextRun, output: Output, sampler: TextSampler, prompts: Sequence[str]) -> str:
    """What a run makes of each prompt: an answer, or a text that goes on."""
    if run.pairs is not None:
        return write_answers(run, output, sampler, prompts)
    run.codes_for("complete")
    rows = [run.tokenizer.encode(text) for text in prompts]
    total = output.length or run.method.objective.length
    for number, ids in enumerate(rows, start=1):
        try:
            prompt(ids, total)  # refuses one that leaves no room
        except InputError as error:
            which = f"prompt {number} of {len(rows)}: " if len(rows) > 1 else ""
            raise InputError(f"{which}{error}") from None
    return write_continued(run, output, sampler, rows)
