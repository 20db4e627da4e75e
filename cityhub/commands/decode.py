"""`cityhub decode`: what a payload or a frame says, offline, one JSON object a message."""

from __future__ import annotations

import binascii
import re
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from cityhub.settings import OperatorError
from edge import capture

Explain = Callable[[bytes], Iterable[dict[str, Any]]]
"""Every message in the bytes as an object: `format`, `understood`, `not_understood`, and what the format itself has."""

FORMATS = {
    "telemetry": "ingest.explain:telemetry",
    "json": "ingest.explain:json",
    "senml": "ingest.explain:senml",
    "columnar": "ingest.explain:columnar",
    "position": "ingest.explain:positions",
    "sparkplug": "ingest.sources.sparkplug.explain:explain",
    "chirpstack": "ingest.sources.explain:chirpstack",
    "sl651": "edge.protocols.sl651.explain:frames",
    "modbus": "edge.protocols.modbus.explain:explain",
    "hj212": "edge.protocols.hj212.explain:explain",
    "sl427": "edge.protocols.sl427.explain:explain",
    "szy206": "edge.protocols.sl427.explain:explain",
    "sdi12": "edge.protocols.sdi12.explain:explain",
    "thingsboard": "ingest.sources.explain:thingsboard",
    "frigate": "ingest.sources.explain:frigate",
    "onvif": "ingest.sources.explain:onvif",
}
"""Where each format is explained; loaded when it is asked for, so that a gateway can decode without the hub's parts."""

TEXTS = {"hj212", "sdi12"}
HEXADECIMAL = b"0123456789ABCDEFabcdef"
PREFIX = re.compile(rb"(?i)(?<![0-9a-f])0x(?=[0-9a-f])|\\x(?=[0-9a-f]{2})")
BETWEEN = re.compile(rb"(?i)([0-9a-f]{2})\s*[,;:-]\s*(?=[0-9a-f]{2})")
SHORTEST = 8  # digits that can only be meant as such
PATH = re.compile(r"(?:~|\.{0,2})/\S+|[\w.-]+\.(?:cap|bin|hex|txt|json|cbor|dat|raw|log)")
PRINTED = bytes(range(0x20, 0x7F)) + b"\t\r\n"


def decode(
    form: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT", help=f"One of {', '.join(FORMATS)}; telemetry recognises it from the bytes."
        ),
    ],
    payload: Annotated[
        str,
        typer.Argument(
            help="HEX, the text itself, the path of a file that holds either, raw bytes or a capture, or - for standard input."
        ),
    ],
) -> None:
    """Decode what came over the wire and print what was understood, what was not, and why.

    Exits with 1 where nothing was.
    """
    if form not in FORMATS:
        raise OperatorError(f"no format {form!r}", f"one of {', '.join(FORMATS)}")
    understood: bool | None = None
    for document in _documents(_explain(form), _bytes(form, payload)):
        sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
        understood = bool(understood or document["understood"])
    if understood is None:
        raise OperatorError(
            "there is nothing to decode: it is empty", "give HEX, the text itself, a file or -"
        )
    if not understood:
        raise typer.Exit(1)


def _documents(explain: Explain, said: bytes) -> Iterable[dict[str, Any]]:
    """What the bytes hold; of a capture, what went each way on each link, which is named in every object."""
    if not capture.is_capture(said):
        yield from explain(said)
        return
    for (link, direction), stream in capture.conversations(said).items():
        for document in explain(stream):
            yield {"link": link, "direction": "from the field" if direction == "<" else "to it", **document}


def _explain(form: str) -> Explain:
    module, name = FORMATS[form].split(":")
    found: Explain = getattr(import_module(module), name)
    return found


def _bytes(form: str, payload: str) -> bytes:
    if payload == "-":
        said = sys.stdin.buffer.read()
    elif _is_file(payload):
        said = Path(payload).read_bytes()
    elif PATH.fullmatch(payload):
        raise OperatorError(f"there is no file {payload}", "check the path; without one give HEX or the text")
    else:
        said = payload.encode()
    bare = _unhexed(said)
    if bare is said and form not in TEXTS:
        _mistyped(said)
    if form in TEXTS and (bare.translate(None, PRINTED) or bare.isalnum()):
        return said  # digits that are a text themselves, such as an answer of SDI-12
    return bare


def _is_file(payload: str) -> bool:
    try:
        return Path(payload).is_file()
    except (OSError, ValueError):  # longer than a name may be, or with bytes that none has
        return False


def _unhexed(said: bytes) -> bytes:
    """What is written in hexadecimal digits, as the bytes it stands for; else as it is."""
    digits = _digits(said)
    try:
        return binascii.unhexlify(digits) if digits else said
    except (binascii.Error, ValueError):
        return said


def _digits(said: bytes) -> bytes:
    """Without blanks, and without what other programs print before a byte (PREFIX) and between two (BETWEEN)."""
    return b"".join(BETWEEN.sub(rb"\1", PREFIX.sub(b"", said)).split())


def _mistyped(said: bytes) -> None:
    """Hexadecimal digits with a slip in them are no text that anybody meant; raises OperatorError."""
    digits = _digits(said)
    strange = digits.translate(None, HEXADECIMAL)
    if len(digits) < SHORTEST or 4 * len(strange) > len(digits) or not digits.isalnum():
        return
    if strange:
        raise OperatorError(
            f"{len(digits)} hexadecimal digits, but {strange[:1].decode()!r} is none",
            "copy the frame again; a file may hold the raw bytes",
        )
    raise OperatorError(
        f"{len(digits)} hexadecimal digits are no whole number of bytes",
        "a digit is missing or one too many: copy the frame again",
    )
