"""What ends a bench without a number."""

from __future__ import annotations


class BenchError(Exception):
    """The bench could not measure; `hint` says what to try."""

    def __init__(self, message: str, hint: str = "see what the hub says above") -> None:
        super().__init__(message)
        self.hint = hint


class Mismatch(Exception):
    """What was sent is not what is stored. This is no operator's mistake: a number must not be printed."""
