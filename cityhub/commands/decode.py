"""`cityhub decode`: what a payload or a frame says, offline, one JSON object a message."""

from __future__ import annotations

import binascii
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
    understood = False
    for document in _documents(_explain(form), _bytes(form, payload)):
        sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
        understood = understood or bool(document["understood"])
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
    else:
        said = Path(payload).read_bytes() if _is_file(payload) else payload.encode()
    bare = _unhexed(said)
    if form in TEXTS and (bare.translate(None, PRINTED) or bare.isalnum()):
        return said  # digits that are a text themselves, such as an answer of SDI-12
    return bare


def _is_file(payload: str) -> bool:
    try:
        return Path(payload).is_file()
    except (OSError, ValueError):  # longer than a name may be, or with bytes that none has
        return False


def _unhexed(said: bytes) -> bytes:
    """What is written in hexadecimal digits and blanks alone, as the bytes it stands for; else as it is."""
    try:
        return binascii.unhexlify(b"".join(said.split()))
    except (binascii.Error, ValueError):
        return said
