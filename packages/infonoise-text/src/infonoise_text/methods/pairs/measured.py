"""How many answers to held-out prompts are those that belong to them."""

from collections.abc import Mapping

from infonoise_core.evaluation.schema import Row, Table
from infonoise_core.training.progress import progress
from infonoise_text.data.windows import Examples
from infonoise_text.evaluation.quality import TextMeasure
from infonoise_text.methods.pairs.answers import Answer, answers, held_out_answers, prompts_of
from infonoise_text.methods.trained import TextRun
from infonoise_text.sampling.options import TextSampler

_EXACT, _ENDED = "exact match", "ended"
_NO_TOKEN, _CALLS = "share without a token", "calls"


def answer_table(
    run: TextRun,
    pairs: Examples,
    samplers: Mapping[str, TextSampler],
    measures: Mapping[str, TextMeasure],
) -> Table:
    """A row for each sampler, of one answer to each held-out prompt.

    Args:
        pairs: In windows.
        measures: Name -> of texts, such as by a language model.
    """
    given, real = prompts_of(pairs), held_out_answers(pairs, run.tokenizer.end)
    rows = [Row("held-out answers", {n: m(_texts(run, real)) for n, m in measures.items()})]
    n, length = pairs.ids.shape
    with progress(len(samplers) * n, "sample") as reporter:
        for name, sampler in samplers.items():
            made = run.generate(n, length, sampler, given, lambda done, _: reporter.advance(done))
            found = answers(made, given, run.tokenizer.end)
            same = [one.ids == other.ids for one, other in zip(found, real, strict=True)]
            tokens = sum(len(answer.ids) for answer in found)
            values: dict[str, float | None] = {
                _EXACT: sum(same) / n,
                _ENDED: sum(answer.ended for answer in found) / n,
                _NO_TOKEN: sum(answer.invalid for answer in found) / max(tokens, 1),
                _CALLS: float(made.nfe),
                **{measure: m(_texts(run, found)) for measure, m in measures.items()},
            }
            rows.append(Row(name, values, explanation=_ABOUT))
    sampler = next(iter(samplers.values()))
    settings = {"samples": n, "steps": sampler.steps, "grid": sampler.grid}
    columns = (_EXACT, _ENDED, _NO_TOKEN, _CALLS, *measures)
    return Table("answers", f"{n} answers", columns, rows if measures else rows[1:], settings)


_ABOUT = "An answer to each held-out prompt: how many are the held-out one, token by token."


def _texts(run: TextRun, found: list[Answer]) -> list[str]:
    return [run.tokenizer.decode(answer.ids) for answer in found]
