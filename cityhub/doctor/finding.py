"""A finding: one part looked at, how it is, and the next step where something is to be done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Verdict = Literal["ok", "attention", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`said` is one sentence of what was measured; `step` is empty where nothing is to be done."""

    part: str
    verdict: Verdict
    said: str
    step: str = ""

    def document(self) -> dict[str, str]:
        """As JSON has it."""
        return asdict(self)


def listed(names: list[str], most: int = 5) -> str:
    """Some names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
