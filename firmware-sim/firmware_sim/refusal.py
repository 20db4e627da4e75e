"""What is wrong in a scenario, said in a sentence with a hint."""

from __future__ import annotations

import math
import re
from typing import Any

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class ScenarioError(ValueError):
    """A scenario that cannot be run; the text is a sentence, `hint` says what to do."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


def number(value: object, where: str, above: float = -math.inf) -> float:
    """A finite number above a bound (raises `ScenarioError`)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value < math.inf:
        raise ScenarioError(
            f"{where} is {value!r}", "a number" + (f" above {above:g}." if above == 0 else ".")
        )
    return float(value)


def refuse_unknown(mapping: Any, known: set[str], where: str) -> None:
    """Refuse keys that mean nothing (raises `ScenarioError`)."""
    if not isinstance(mapping, dict):
        raise ScenarioError(f"{where} is {mapping!r}", f"a mapping of {', '.join(sorted(known))}.")
    for key in mapping:
        if key not in known:
            raise ScenarioError(f"{where} has {key!r}", f"one of {', '.join(sorted(known))}.")
