"""The settings of a station: identifier, unit and meaning (SL 651-2014, tables D.1 and D.4)."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import NamedTuple

from edge.protocols.sl651.body import number
from edge.protocols.sl651.functions import BASIC

MODES = {"01": "reports", "02": "reports and waits", "03": "answers", "04": "under repair"}
CHANNELS = {0: "none", 1: "short message", 2: "IPv4", 3: "Beidou", 4: "Inmarsat", 5: "telephone", 6: "radio"}
IP_DIGITS, PORT_DIGITS = 12, 6


class Setting(NamedTuple):
    """One setting of the tables."""

    form: str
    unit: str  # UCUM
    meaning: str


def _tables() -> dict[tuple[bool, int], Setting]:
    rows = csv.reader(files(__package__).joinpath("settings.csv").read_text("utf-8").splitlines())
    next(rows)
    return {(table == "basic", int(ident, 16)): Setting(*rest) for table, ident, *rest in rows}


SETTINGS = _tables()
UNKNOWN = Setting("hex", "", "not in the standard")


def setting(func: int, ident: int) -> Setting:
    """The setting that an identifier means in a message of this function."""
    return SETTINGS.get((func in BASIC, ident), UNKNOWN)


def value(kind: Setting, raw: str, definition: int, *, text: bool) -> float | str | None:
    """What the data say: `raw` is hexadecimal, or in an ASCII message the text itself."""
    if text:
        return raw
    if kind.form == "number":
        return number(raw.lower(), definition & 7)
    if kind.form == "text":
        return bytes.fromhex(raw).decode("ascii", "replace")
    if kind.form == "mode":
        return MODES.get(raw, raw)
    return _channel(raw) if kind.form == "channel" and raw else raw


def _channel(raw: str) -> str:
    """A channel's kind, then an address in digits: of IPv4 twelve and six for the port; A fills an odd number up."""
    kind, address = CHANNELS.get(int(raw[:2], 16), raw[:2]), raw[2:]
    if kind == "IPv4" and len(address) == IP_DIGITS + PORT_DIGITS and address.isdecimal():
        parts = (str(int(address[at : at + 3])) for at in range(0, IP_DIGITS, 3))
        return f"{kind} {'.'.join(parts)}:{int(address[IP_DIGITS:])}"
    return f"{kind} {address.lstrip('A')}".strip()
