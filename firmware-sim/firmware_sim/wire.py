"""The lines on the wire: what a device says and what the gateway answers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LINE = 64 * 1024
_ANSWER = re.compile(rb"(ok) (\d{1,15})|(error) (\d{1,15}) ?(.*)", re.DOTALL)


class WireError(ValueError):
    """A line that the protocol does not know, or that is too long for it."""


class Answer(NamedTuple):
    """A gateway's answer about line `number` of this connection, counted from 1."""

    accepted: bool  # all lines up to it; else this one is refused
    number: int
    reason: str = ""


def encode(device: str, ts_ms: int, values: Mapping[str, float]) -> bytes:
    """Write one line, newline included.

    Raises:
        WireError: longer than `MAX_LINE`, or a value that JSON does not have.
    """
    try:
        message = {"device": device, "ts": ts_ms, "values": dict(values)}
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise WireError(f"{device}: {error}") from error
    line = text.encode() + b"\n"
    if len(line) > MAX_LINE:
        raise WireError(f"{device}: a line of {len(line)} bytes, more than {MAX_LINE}")
    return line


def answer(line: bytes) -> Answer:
    """Read one answer, without its newline (raises `WireError`)."""
    match = _ANSWER.fullmatch(line.rstrip(b"\r"))
    if match is None:
        raise WireError(f"the gateway said {line[:60]!r}, neither 'ok N' nor 'error N reason'")
    if match[1]:
        return Answer(accepted=True, number=int(match[2]))
    return Answer(accepted=False, number=int(match[4]), reason=match[5].decode(errors="replace"))
