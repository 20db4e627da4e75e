"""`cityhub decode`: what a payload says, offline, one JSON object a message."""

from __future__ import annotations

import binascii
import sys
from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer

from edge.reading import now_us
from edge.wire import Malformed
from ingest.batch import describe_us
from ingest.decode import decode as decode_telemetry

Format = Literal["telemetry", "json", "senml", "columnar"]


def decode(
    form: Annotated[
        Format, typer.Argument(metavar="FORMAT", help="telemetry recognises the format from the bytes.")
    ],
    payload: Annotated[
        str, typer.Argument(help="HEX, a file's path, the text itself, or - for standard input.")
    ],
) -> None:
    """Decode one payload and print what was understood, what was not, and why. Exits with 1 where nothing was."""
    raw = _bytes(payload)
    try:
        decoded = decode_telemetry(raw, now_us())
    except Malformed as error:
        _print({"format": None, "understood": [], "not_understood": str(error), "bytes": len(raw)})
        raise typer.Exit(1) from error
    if form != "telemetry" and not decoded.format.startswith(form):
        _print(
            {
                "format": decoded.format,
                "understood": [],
                "not_understood": f"this is {decoded.format}, not {form}",
            }
        )
        raise typer.Exit(1)
    envelope = decoded.envelope
    _print(
        {
            "format": decoded.format,
            **({"boot": envelope.boot, "seq": envelope.seq, "base": envelope.base} if envelope else {}),
            "understood": [
                {
                    "name": decoded.names[place],
                    "time": describe_us(at),
                    "value": value if value == value else None,  # noqa: PLR0124 -- not a number: the sensor has none
                    **({"unit": decoded.units[place]} if decoded.units and decoded.units[place] else {}),
                }
                for at, place, value, _ in decoded.rows.tolist()
            ],
            "not_understood": decoded.notes,
        }
    )


def _bytes(payload: str) -> bytes:
    if payload == "-":
        return sys.stdin.buffer.read()
    try:
        return binascii.unhexlify("".join(payload.split()))
    except (binascii.Error, ValueError):
        path = Path(payload) if len(payload) < 4096 and "\0" not in payload else None  # noqa: PLR2004 -- PATH_MAX
        return path.read_bytes() if path and path.is_file() else payload.encode()


def _print(document: dict[str, object]) -> None:
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
