"""Runs that are damaged or killed at random, in every domain: what docs/reliability.md promises.

    python tools/checks/faults.py flips --number 100   # bytes of a run, of each domain
    python tools/checks/faults.py kills --number 60    # of train, sample, push and prepare

Prints a line for each domain, and every broken promise; exit code 1 where there was one.
"""

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

# Common to all domains: small enough that a run takes seconds on one core.
TRAIN = ("--batch-size", "8", "--steps", "16", "--save-every", "4", "--log-every", "2",
         "--eval-every", "8", "--device", "cpu", "--schedule", "infonoise")  # fmt: skip


@dataclass(frozen=True)
class Domain:
    """A package's command line, and words of its commands.

    Attributes:
        package: With a module `cli`.
        data: What its runs are trained on.
        train: Options of train.
        sample: Options of sample.
        prepare: Options of prepare, where it has that verb.
    """

    package: str
    data: str
    train: tuple[str, ...]
    sample: tuple[str, ...]
    prepare: tuple[str, ...] = ()

    def run(self, *words: object) -> int:
        """The exit code of a command."""
        main: Callable[[list[str]], int] = import_module(f"{self.package}.cli").main
        try:
            return main([str(word) for word in words])
        except SystemExit as end:
            return int(end.code or 0)


def domains(folder: Path) -> list[Domain]:
    """The three, with small data of their own."""
    rng = random.Random(0)
    table = folder / "sequences.csv"
    lines = [f"s{i},{''.join(rng.choices('ACGT', k=24))}" for i in range(120)]
    table.write_text("id,sequence\n" + "\n".join(lines) + "\n")
    words = ["red", "green", "blue", "house", "tree", "river", "walks", "sings", "the", "a"]
    text = folder / "lines.jsonl"
    texts = [" ".join(rng.choices(words, k=40)) for _ in range(60)]
    text.write_text("".join(f'{{"text": "{t}"}}\n' for t in texts))
    return [
        Domain("infonoise_bio", str(table), ("--strand", "forward"), ("--steps", "6")),
        Domain("infonoise_vision", "digits", ("--size", "8"), ("--steps", "6"), ("--size", "8")),
        Domain("infonoise_text", str(text), ("--vocab-size", "285", "--length", "16"),
               ("--steps", "6"), ("--vocab-size", "285")),
    ]  # fmt: skip


def trained(domain: Domain, out: Path) -> None:
    """A whole run in `out`."""
    if _quiet(lambda: domain.run("train", domain.data, "--out", out, *domain.train, *TRAIN))[0]:
        raise SystemExit(f"{domain.package}: the run without faults fails")


def content(path: Path) -> dict[str, bytes]:
    """Name -> bytes of all files below a folder, or of one file."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in files}


def _quiet(work: Callable[[], int]) -> tuple[int, str]:
    """Exit code and what was said to stderr; a traceback is code 1."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            code = work()
        except BaseException:
            code = 1
            said.write(traceback.format_exc())
    return code, said.getvalue()


def flips(domain: Domain, folder: Path, number: int, rng: random.Random) -> list[str]:
    """Flip one byte of a run, sample from it, put the byte back; what broke a promise."""
    run = folder / "run"
    trained(domain, run)
    suffix = {"infonoise_bio": ".fa", "infonoise_text": ".jsonl"}.get(domain.package, "")

    def sampled(name: str) -> tuple[int, str, dict[str, bytes]]:
        out = folder / f"{name}{suffix}"
        words = ("sample", run, "--samples", 3, "--seed", 1, "--out", out, *domain.sample)
        code, said = _quiet(lambda: domain.run(*words))
        made = content(out) if out.exists() else {}
        shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
        return code, said, made

    _, _, sound = sampled("sound")
    newest = sorted((run / "checkpoints").iterdir())[-1]
    newest.rename(folder / "aside")
    _, _, before = sampled("before")
    (folder / "aside").rename(newest)
    outcomes: Counter[str] = Counter()
    broken = []
    files = sorted(p for p in run.rglob("*") if p.is_file() and p.stat().st_size)
    for i in range(number):
        file = rng.choice(files)
        whole = file.read_bytes()
        at, mask = rng.randrange(len(whole)), rng.randrange(1, 256)
        file.write_bytes(whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :])
        code, said, made = sampled(f"flip{i}")
        file.write_bytes(whole)
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        if code == 2 and len(lines) == 1 and not made and "Traceback" not in said:
            outcome = "refused"
        elif code == 0 and made == sound:
            outcome = "harmless"
        elif code == 0 and made == before and "warning" in said:
            outcome = "checkpoint before"
        else:
            outcome = "BROKEN"
            where = f"{file.relative_to(run)} byte {at} ^ {mask:#x}"
            broken.append(f"{domain.package}: {where}: code {code}: {said[-600:]}")
        outcomes[outcome] += 1
    print(f"{domain.package}: {number} flips: {dict(outcomes)}", flush=True)
    return broken


def _killed(work: Callable[[], int], after: float) -> int | None:
    """The exit code of `work` in a process of its own; None where it was killed `after` seconds."""
    child = os.fork()
    if child == 0:
        code, said = _quiet(work)
        if code not in (0, 2):
            sys.__stderr__.write(said)  # type: ignore[union-attr]
        os._exit(code)
    ends = time.monotonic() + after
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _until_done(
    work: Callable[[], int], wanted: int, longest: float, rng: random.Random
) -> tuple[int, int | None]:
    """Kill `work` at random moments `wanted` times, then let it end; kills and its exit code."""
    kills, code = 0, None
    for _ in range(wanted):
        code = _killed(work, rng.uniform(0.02, longest))
        if code is not None:
            return kills, code
        kills += 1
    return kills, _killed(work, 600)


def _left_over(folder: Path) -> list[str]:
    """Names that only a process at work should have made."""
    words = (".tmp", ".partial", ".replaced", ".writing-", ".lock", "scratch-")
    return [p.name for p in folder.rglob("*") if any(word in p.name for word in words)]


class Kills:
    """Kills of the verbs of a domain, and the promises that were broken."""

    def __init__(self, domain: Domain, folder: Path, number: int, rng: random.Random) -> None:
        self.domain, self.folder, self.rng = domain, folder, rng
        self.total, self.broken = 0, list[str]()
        self.suffix = {"infonoise_bio": ".fa", "infonoise_text": ".jsonl"}.get(domain.package, "")
        self.share = {"sample": number * 15 // 100, "push": number * 15 // 100}
        self.share["prepare"] = number * 15 // 100 if domain.prepare else 0
        self.share["train"] = number - sum(self.share.values())

    def all(self) -> list[str]:
        """Kill train, sample, push and prepare; what broke a promise."""
        began = time.monotonic()
        run = self.folder / "reference"
        trained(self.domain, run)
        took = time.monotonic() - began
        words: tuple[object, ...] = ("train", self.domain.data, *self.domain.train, *TRAIN, "--out")
        self._expect("train", lambda out: self.domain.run(*words, out), took, run)
        words = ("sample", run, "--samples", 3, *self.domain.sample, "--overwrite", "--out")
        self._verb("sample", lambda out: self.domain.run(*words, out), self.suffix)
        self._verb("push", lambda out: self.domain.run("push", run, out, "--overwrite"))
        if self.domain.prepare:
            words = ("prepare", self.domain.data, *self.domain.prepare, "--out")
            self._verb("prepare", lambda out: self.domain.run(*words, out))
        print(f"{self.domain.package}: {self.total} kills, {len(self.broken)} broken promises")
        return self.broken

    def _verb(self, what: str, work: Callable[[Path], int], suffix: str = "") -> None:
        whole = self.folder / f"whole-{what}{suffix}"
        began = time.monotonic()
        code, said = _quiet(lambda: work(whole))
        if code:
            self.broken.append(f"{self.domain.package} {what}: fails without faults: {said[-400:]}")
            return
        self._expect(what, work, (time.monotonic() - began) * 1.1, whole)

    def _expect(self, what: str, work: Callable[[Path], int], took: float, same: Path) -> None:
        place = self.folder / "work"
        place.mkdir(exist_ok=True)
        out, left, name = place / same.name, self.share[what], f"{self.domain.package} {what}"
        for _ in range(4 * left):
            if left <= 0:
                break
            if out.exists():
                shutil.rmtree(out) if out.is_dir() else out.unlink()
            done, code = _until_done(lambda: work(out), min(left, 4), took / 2, self.rng)
            left, self.total = left - done, self.total + done
            if code == 2 and (out / "done.json").exists():
                code = 0  # killed behind the run's last word: there is nothing to go on with
            if code != 0:
                self.broken.append(f"{name}: code {code} after {done} kills")
            elif _same(out) != _same(same):
                self.broken.append(f"{name}: other bytes after {done} kills")
            if stray := _left_over(place):
                self.broken.append(f"{name}: left {stray}")


def _same(path: Path) -> dict[str, bytes]:
    """What must not depend on kills: all but names of folders, dates and the marker's like."""
    skipped = ("config.yaml", "manifest.json", "README.md", "card.json")
    kept = {n: c for n, c in content(path).items() if Path(n).name not in skipped}
    if "metrics.jsonl" in kept:
        kept["metrics.jsonl"] = _without_speed(kept["metrics.jsonl"])
    return kept


def _without_speed(lines: bytes) -> bytes:
    """Metrics without what they say of the machine."""
    found = [json.loads(line) for line in lines.splitlines()]
    for line in found:
        line.pop("speed", None)
    return json.dumps(found).encode()


def main() -> int:
    """Run one of the two over all domains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("flips", "kills"))
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a package, such as infonoise_bio")
    asked = parser.parse_args()
    rng, broken = random.Random(asked.seed), []
    with tempfile.TemporaryDirectory() as name:
        found = [d for d in domains(Path(name)) if asked.only in ("", d.package)]
        for domain in found:
            folder = Path(name) / domain.package
            folder.mkdir()
            if asked.what == "flips":
                broken += flips(domain, folder, asked.number, rng)
            else:
                broken += Kills(domain, folder, -(-asked.number // len(found)), rng).all()
    for line in broken:
        print(line)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
