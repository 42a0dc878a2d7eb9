"""The recipes of the README: their text, and a schedule that watches what they do."""

import ast
import re
from pathlib import Path

from infonoise_core import InfoNoise, open_gate

README = Path(__file__).parents[3] / "packages" / "infonoise-core" / "README.md"
RECIPE = re.compile(
    r"^<!-- integration: (?P<name>[\w-]+) -->\n```python\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
RECIPES = {match["name"]: match["code"] for match in RECIPE.finditer(README.read_text())}


def added_lines(code):
    """Lines of code, imports apart, that name the channel, the schedule, a callback or a choice."""
    lines = code.splitlines()
    imports = {
        line
        for node in ast.parse(code).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    ours = re.compile(r"\bchannel\b|\bschedule\b|\bchoice\b|ScheduleCallback")
    return [
        line
        for i, line in enumerate(lines, 1)
        if i not in imports and ours.search(line) and ".corrupt(" not in line
    ]


class Watched(InfoNoise):
    """InfoNoise that refreshes early and keeps what a recipe told it."""

    def __init__(self, channel, **options):
        # An open gate: networks this young would be held by a careful one.
        early = {"refresh_every": 4, "warmup_steps": 4, "min_count": 1, "bins": 8}
        super().__init__(channel, gate=open_gate(), **early, **options)
        self.drawn, self.reports, self.step_calls, self.loads = [], [], 0, 0

    def sample(self, *arguments, **options):
        self.drawn.append(super().sample(*arguments, **options))
        return self.drawn[-1]

    def observe(self, u, error):
        self.reports.append((u, self.read(u, error)[1]))
        super().observe(u, error)

    def step(self):
        self.step_calls += 1
        super().step()

    def load_state_dict(self, state):
        self.loads += 1
        super().load_state_dict(state)
