"""Answers to prompts: windows that begin with a prompt, read up to the end behind it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.files import write_text
from infonoise_core.training.progress import progress
from infonoise_text.data.pairs import prompt_room
from infonoise_text.data.spans import Given
from infonoise_text.data.windows import Examples
from infonoise_text.methods.trained import TextRun
from infonoise_text.methods.written import RULE
from infonoise_text.sampling.options import Output, TextSampler
from infonoise_text.sampling.text import Generated
from infonoise_text.tokenizers.base import Tokenizer


@dataclass(frozen=True)
class Answer:
    """Behind a prompt.

    Attributes:
        ids: Its tokens, without the end.
        ended: Whether the end came within the window.
        invalid: How many of its codes belong to no token.
    """

    ids: list[int]
    ended: bool
    invalid: int = 0

    @classmethod
    def of(cls, ids: Sequence[int], end: int | None, invalid: Tensor | None = None) -> "Answer":
        """That of the tokens behind a prompt; `invalid` (n,) says which have no code."""
        size = next((place for place, token in enumerate(ids) if token == end), len(ids))
        ended = size < len(ids)
        return cls(list(ids[:size]), ended, 0 if invalid is None else int(invalid[:size].sum()))


def answers(found: Generated, given: Given, end: int | None) -> list[Answer]:
    """What was generated behind the prompts that were given."""
    prompts = given.known.sum(1).tolist()
    return [
        Answer.of(ids[k:], end, invalid[k:])
        for ids, invalid, k in zip(found.ids.tolist(), found.invalid, prompts, strict=True)
    ]


def shown_pairs(tokenizer: Tokenizer, pairs: Examples) -> list[str]:
    """Held-out prompts and their answers, for people."""
    return shown(tokenizer, prompts_of(pairs), held_out_answers(pairs, tokenizer.end))


def held_out_answers(examples: Examples, end: int | None) -> list[Answer]:
    """Those that pairs have."""
    nothing = torch.zeros_like(examples.ids, dtype=torch.bool)
    return answers(Generated(examples.ids, nothing, 0), prompts_of(examples), end)


def prompts_of(examples: Examples) -> Given:
    """The prompts of pairs, as what is given."""
    if examples.known is None:
        raise InputError("windows without prompts")
    return Given(examples.ids, examples.known)


def shown(tokenizer: Tokenizer, given: Given, found: Sequence[Answer]) -> list[str]:
    """Prompts and their answers, for people."""
    return [
        f"{tokenizer.decode(ids[known].tolist())}\n-> {tokenizer.decode(answer.ids)}"
        for ids, known, answer in zip(given.ids, given.known, found, strict=True)
    ]


def window_of(run: TextRun, prompts: Sequence[str], length: int) -> Given:
    """Windows of `length` tokens that begin with prompts; of a long one its end is read."""
    if run.pairs is None or run.tokenizer.end is None:
        raise InputError(f"{run.path}: was not trained on pairs")
    room = prompt_room(length, run.pairs["longest"])
    if room < 1:
        raise InputError(f"--length {length}: leaves no room for a prompt and its answer")
    ids = torch.full((len(prompts), length), run.tokenizer.end)
    known = torch.zeros(ids.shape, dtype=torch.bool)
    cut = 0
    for row, prompt in enumerate(prompts):
        tokens = [*run.tokenizer.encode(prompt), run.tokenizer.end]
        cut += len(tokens) > room
        tokens = tokens[-room:]
        ids[row, : len(tokens)], known[row, : len(tokens)] = torch.tensor(tokens), True
    if cut:
        print(f"{cut} prompts are read from their last {room} tokens on", file=sys.stderr)
    return Given(ids, known)


def write_answers(
    run: TextRun, output: Output, sampler: TextSampler, prompts: Sequence[str]
) -> str:
    """Answers to each prompt, --samples of them.

    Returns:
        The answers to be printed, or a line about what was saved.
    """
    if sampler.guidance != 1:
        raise InputError(
            f"--guidance {sampler.guidance:g}: {run.path} has never seen an answer without its"
            " prompt; leave it out"
        )
    length = run.length(output.length)
    rows = [prompt for prompt in prompts for _ in range(output.samples)]
    given = window_of(run, rows, length)
    with progress(len(rows), "sample") as reporter:
        made = run.generate(
            len(rows), length, sampler, given, lambda done, _: reporter.advance(done)
        )
    found = answers(made, given, run.tokenizer.end)
    texts = [run.tokenizer.decode(answer.ids) for answer in found]
    tokens = sum(len(answer.ids) for answer in found)
    rate = sum(answer.invalid for answer in found) / max(tokens, 1)
    endless = sum(not answer.ended for answer in found)
    print(
        f"{len(rows)} answers, {made.nfe} denoiser calls each, {rate:.2%} of the codes belong to no"
        f" token, {endless} do not end within {length} tokens",
        file=sys.stderr,
    )
    if output.out is None:
        return "\n".join(f"{RULE}\n{text}" for text in texts)
    lines = [
        {"prompt": prompt, "answer": text, "tokens": answer.ids, "ended": answer.ended,
         "invalid": answer.invalid}
        for prompt, text, answer in zip(rows, texts, found, strict=True)
    ]  # fmt: skip
    write_text(output.out, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
    return f"{output.out}: written"
