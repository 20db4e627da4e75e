"""What is to be asked on a link (SL 651-2014, mode M4): one question at a time, for stations may share the line."""

from __future__ import annotations

from typing import NamedTuple

WAITING_LIMIT = 32
ANSWER_US = 10_000_000  # after which the next one is asked
# Of one question: a station says a thing twice more, and there are some that answer a confirmation too.
ANSWERS_LIMIT = 3


class Question(NamedTuple):
    """A question to a station, or the order to set its clock."""

    rtu: str
    func: int
    parameters: bytes = b""


class Questions:
    """Those of one link."""

    def __init__(self) -> None:
        self._waiting: list[
            Question
        ] = []  # no deque, which holds 600 bytes empty: there are thousands of links
        self._awaited = ""  # the station whose answer is waited for
        self._since_us = 0
        self._unconfirmed: dict[tuple[str, int], int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, question: Question) -> bool:
        """Have something asked, once; False where too much waits already."""
        if question in self._waiting:
            return True
        if len(self._waiting) >= WAITING_LIMIT:
            return False
        self._waiting.append(question)
        return True

    def waits(self, rtu: str) -> bool:
        """Whether there is something to ask this station."""
        return bool(self._waiting) and any(each.rtu == rtu for each in self._waiting)

    def heard(self, rtu: str) -> None:
        """A station has spoken: that is its answer, as far as the line is concerned."""
        if rtu == self._awaited:
            self._awaited = ""

    def confirms(self, rtu: str, func: int) -> bool:
        """Whether this answers a question of ours that may still be confirmed; it is then confirmed once less."""
        left = self._unconfirmed.pop((rtu, func), 0)
        if left > 1:
            self._unconfirmed[rtu, func] = left - 1
        return left > 0

    def due(self, now_us: int) -> Question | None:
        """The next question, where the line is free; it counts as asked."""
        if not self._waiting or (self._awaited and 0 <= now_us - self._since_us < ANSWER_US):
            return None
        question = self._waiting.pop(0)
        self._awaited, self._since_us = question.rtu, now_us
        return question

    def asked(self, question: Question) -> None:
        """It went out: its answers are to be confirmed."""
        self._unconfirmed[question.rtu, question.func] = ANSWERS_LIMIT

    def dropped(self) -> None:
        """It did not go out: the line is free."""
        self._awaited = ""
