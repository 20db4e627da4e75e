"""What SL 651-2014 can measure: identifier, symbol, metric, unit and meaning of each element (its appendix C)."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

EXTENDED = 0xFF  # the leader of identifiers of two bytes, which every maker uses as he likes
STATION, TIME, BY_HAND, PICTURE, RAIN, BATCH, STEP, DURATION, WIND, STATUS = (
    0xF1,
    0xF0,
    0xF2,
    0xF3,
    0xF4,
    0xFD,
    0x04,
    0x05,
    0x33,
    0x45,
)
LEVELS = range(0xF5, 0xFD)  # relative levels of an hour
SLOTS = 12  # of five minutes in an hour
SLOT_US = 300_000_000


class Kind(NamedTuple):
    """One element of the table."""

    ident: int
    symbol: str  # in ASCII frames
    metric: str  # our name; empty where it is no reading
    unit: str  # UCUM
    form: str  # N7.3: so many digits, of them so many decimals; frames may use others, and say so
    meaning: str


def _table() -> dict[int, Kind]:
    rows = csv.reader(files(__package__).joinpath("elements.csv").read_text("utf-8").splitlines())
    next(rows)
    return {int(ident, 16): Kind(int(ident, 16), *rest) for ident, *rest in rows}


ELEMENTS = _table()
SYMBOLS = {each.symbol.upper(): each for each in ELEMENTS.values()}


@cache
def kind(ident: int) -> Kind:
    """The element of an identifier; one that the standard does not have is named for its number.

    `ident` is a byte, or FFxx: there are 512 of them at most.
    """
    digits = f"{ident:02x}"
    return ELEMENTS.get(ident) or Kind(ident, "", f"element-{digits}", "", "", "not in the standard")
