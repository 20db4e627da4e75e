"""What the hub says in clauses, the console can say in Chinese: no word is missing where two languages meet."""

from __future__ import annotations

import re
from pathlib import Path

from alerts.alarms import Clause
from alerts.checks.wording import KEYS
from cityhub.crowd.wording import PLAIN

ROOT = Path(__file__).parents[1]


def test_every_clause_of_a_reason_has_chinese_words() -> None:
    said = {*KEYS.values(), *PLAIN}
    for module in (ROOT / "cityhub" / "crowd").glob("*.py"):
        said |= set(re.findall(r'Clause\(\s*"([a-z-]+)"', module.read_text()))
        said |= set(re.findall(r'case "([a-z-]+)":', module.read_text()))
    words = (ROOT / "console" / "src" / "words" / "because.ts").read_text()
    known = set(re.findall(r'^  "?([a-z-]+)"?: ', words, re.MULTILINE))
    assert {"people", "beyond-hour"} <= said
    assert said - known == set()


def test_a_figure_that_is_no_number_is_null_where_it_is_written() -> None:
    told = Clause("full-soon", {"minutes": 9.5, "latest": float("inf"), "earliest": float("nan")})
    assert told.plain() == {"say": "full-soon", "figures": {"minutes": 9.5, "latest": None, "earliest": None}}
