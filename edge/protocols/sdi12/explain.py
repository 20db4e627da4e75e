"""A transcript of SDI-12, commands and answers, explained for `cityhub decode sdi12`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge.protocols.explained import Explained, document, field, nothing
from edge.protocols.sdi12.answers import (
    ADDRESS,
    CHECK,
    VALUE,
    BadAnswer,
    identity,
    promise,
    values,
    without_check,
)

LIMIT = 1 << 20
"""Characters of a transcript that are looked at."""
COMMAND = re.compile(r"([0-9A-Za-z?])([A-Z][^!\s]{0,15})?!")
START = re.compile(r"(M|C|V|HA|HB)(C?)([1-9]?)")
DATA = re.compile(r"(D)(\d{1,3})")
CONTINUOUS = re.compile(r"R(C?)(\d)")
LONE = {5: "M", 6: "C", 7: "HA"}
"""Which command an answer of digits alone belongs to, by its length, where none is known."""
MEANINGS = {
    "": "is the sensor there?",
    "I": "who is the sensor?",
    "M": "measure, the line is the sensor's until it is done",
    "C": "measure beside others",
    "V": "verify",
    "D": "send the values",
    "R": "send the values that are measured all the time",
    "HA": "measure many values, to be sent as text",
    "HB": "measure many values, to be sent as bytes",
    "A": "change the address",
    "X": "a command of the maker's own",
}


class _Talk:
    """What the lines before say of the line at hand."""

    def __init__(self) -> None:
        self.address = ""
        self.command: str | None = None
        self.checked: bool | None = None  # the values come with a check; None: nobody has said
        self.wanted = 0
        self.came = 0


def explain(raw: bytes) -> Iterator[Explained]:
    """Every line of the transcript: a command, its answer behind it or in the next line, a service request."""
    text = bytes(byte & 0x7F for byte in raw[:LIMIT]).decode("ascii")  # the eighth bit is the parity
    talk = _Talk()
    for line in re.split(r"[\r\n]+", text):
        rest = line.strip(" \t\0<>")
        while rest:
            command = COMMAND.match(rest)
            if command:
                yield _command(talk, command[1], command[2] or "")
                rest = rest[command.end() :].strip(" \t\0<>")
            else:
                yield _answer(talk, rest)
                rest = ""


def _command(talk: _Talk, address: str, body: str) -> Explained:
    talk.address, talk.command = address, body
    start, continuous = START.fullmatch(body), CONTINUOUS.fullmatch(body)
    if start:
        talk.checked, talk.wanted, talk.came = bool(start[2]) or start[1][0] == "H", 0, 0
        meaning = MEANINGS[start[1]] + (", with a check" if start[2] else "")
    elif continuous:
        talk.checked, talk.wanted, talk.came = bool(continuous[1]), 0, 0
        meaning = MEANINGS["R"] + (", with a check" if continuous[1] else "")
    elif DATA.fullmatch(body):
        meaning = MEANINGS["D"]
    elif address == "?":
        meaning = "which address has the one sensor on the line?"
    else:
        meaning = MEANINGS.get(body[:1], "a command that is not known here")
    found = [field("address", address, address), field("command", body + "!", body, meaning)]
    return document("sdi12", found, [], [])


def _answer(talk: _Talk, answer: str) -> Explained:
    understood: list[Explained] = []
    notes: list[str] = []
    body = talk.command
    if not ADDRESS.match(answer):
        return nothing("sdi12", "no answer begins so: an address, then a sign or digits", answer)
    address = answer[0]
    understood.append(field("address", address, address))
    if talk.address not in {"", "?", address} and not (body or "").startswith("A"):
        notes.append(f"address {address} answers, {talk.address} was asked")
    try:
        understood += _said(talk, body, answer, notes)
    except BadAnswer as error:
        return {**nothing("sdi12", str(error), answer), "notes": notes}
    return document("sdi12", understood, [], notes)


def _said(talk: _Talk, body: str | None, answer: str, notes: list[str]) -> list[Explained]:
    """The fields behind the address of an answer."""
    if len(answer) == 1 and not (body or "").startswith(("D", "R")):
        return [field("attention", answer, True, "the sensor is there, or its values are ready")]
    if body == "I":
        who = identity(answer)
        return [field(name, value, value) for name, value in zip(who._fields, who, strict=True)]
    start = LONE.get(len(answer)) if body is None and answer[1:].isdigit() else body
    if start is not None and START.fullmatch(start):
        said = promise(start, answer)
        talk.wanted = said.values
        return [
            field("seconds", answer[1:4], said.seconds, "until the values are ready, at most"),
            field("values", answer[4:], said.values, "so many will be there"),
        ]
    if body is None or body.startswith(("D", "R")) or answer[1] in "+-":
        return _values(talk, body, answer, notes)
    return [field("text", answer[1:], answer[1:], "not looked into")]


def _values(talk: _Talk, body: str | None, answer: str, notes: list[str]) -> list[Explained]:
    checked = not _is_plain(answer) if talk.checked is None else talk.checked
    if talk.checked is None and checked and not _is_plain(answer[:-CHECK]):
        values(answer)  # raises: with a check behind them or without, these are no values
    said = without_check(answer) if checked else answer
    if body == "D0":
        talk.came = 0
    numbers = zip(VALUE.findall(said), values(said), strict=True)
    found = [
        field(f"value {talk.came + place}", text, number)
        for place, (text, number) in enumerate(numbers, start=1)
    ]
    talk.came += len(found)
    if not found:
        notes.append("no values: the measurement was given up, or there are no more")
    elif talk.wanted:
        notes.append(f"{talk.came} of {talk.wanted} values")
    if checked:
        found.append(field("check", answer[-CHECK:], answer[-CHECK:], "right"))
    return found


def _is_plain(answer: str) -> bool:
    try:
        values(answer)
    except BadAnswer:
        return False
    return True
