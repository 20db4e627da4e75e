"""The user data of a frame: control, address, function, data, time tag."""

from __future__ import annotations

import re
from typing import NamedTuple

FUNCTIONS = {
    0x02: "link",
    0x10: "set the address",
    0x11: "set the clock",
    0x12: "set the working mode",
    0x15: "set the amount that was paid for",
    0x16: "set the alarm of remaining water",
    0x17: "set base and limits of level",
    0x18: "set limits of pressure",
    0x19: "set upper limits of quality",
    0x1A: "set lower limits of quality",
    0x1B: "set the volume to begin with",
    0x1C: "set the relay's preamble",
    0x1D: "set the addresses a relay passes on",
    0x1E: "set how a relay switches over",
    0x1F: "set limits of flow",
    0x20: "set thresholds of reports and the interval of storage",
    0x30: "IC card on",
    0x31: "IC card off",
    0x32: "quota on",
    0x33: "quota off",
    0x34: "set the quota",
    0x50: "ask for the address",
    0x51: "ask for the clock",
    0x52: "ask for the working mode",
    0x53: "ask for kinds and intervals of reports",
    0x54: "ask for the kinds that are asked for",
    0x55: "ask for what was paid for and what remains",
    0x56: "ask for remaining water and its alarm",
    0x57: "ask for base and limits of level",
    0x58: "ask for limits of pressure",
    0x59: "ask for upper limits of quality",
    0x5A: "ask for lower limits of quality",
    0x5C: "ask for the record of days",
    0x5D: "ask for the record of events",
    0x5E: "ask for state and alarms",
    0x5F: "ask for the pump's motor",
    0x60: "ask for the relay's preamble",
    0x61: "ask for a picture",
    0x62: "ask for the addresses a relay passes on",
    0x63: "ask for a relay's state",
    0x64: "ask for limits of flow",
    0x65: "ask for the channels",
    0x81: "alarm report",
    0x82: "values set by hand",
    0x83: "picture report",
    0x84: "report of the supply voltage",
    0x90: "reset",
    0x91: "clear the history",
    0x92: "start pump, valve or gate",
    0x93: "stop pump, valve or gate",
    0x94: "switch the communication unit",
    0x95: "switch the relay's working unit",
    0x96: "change the password",
    0xA0: "set the kinds that are asked for",
    0xA1: "set kinds and intervals of reports",
    0xA2: "set the channels",
    0xB0: "ask for values",
    0xB1: "ask for the stored record",
    0xB2: "ask for reports in memory",
    0xC0: "report of values",
}
LINK = 0x02
REPORTS = {0xC0, 0x81, 0x82}
"""Reports that carry values, alarms, state and a time tag."""
VOLTAGE, PICTURE, BY_HAND = 0x84, 0x83, 0x82
LINKS = {0xF0: "log in", 0xF1: "log out", 0xF2: "keep the line"}
USER = 0xFF

BY_NAME = re.compile(r"(\d{6})/(\d{1,5})")
BY_HEX = re.compile(r"[0-9a-fA-F]{10}")


class Refused(ValueError):
    """User data that say nothing we may believe; the message says why."""


class Message(NamedTuple):
    """One frame's user data."""

    up: bool
    split: int  # counts down to 1; 0: the message is one frame
    fcb: int
    kind: int  # of what: 1 rain, 2 level ...
    address: bytes
    function: int  # 0xFF00 + n: of the user's own
    data: bytes  # with the time tag and, downwards, the password

    @property
    def station(self) -> str:
        """The address as ten hexadecimal digits."""
        return self.address.hex()

    @property
    def name(self) -> str:
        """What the function is called."""
        if self.function > USER:
            return f"user's own function {self.function & 0xFF:02X}"
        return FUNCTIONS.get(self.function, "another function")


def read(user: bytes) -> Message:
    """Take checked user data apart; raises Refused."""
    control = user[0]
    split, rest = 0, user[1:]
    if control & 0x40:
        split, rest = user[1], user[2:]
        if not split:
            raise Refused("DIVS counts down to 1, and is 0")
    if len(rest) < 6:  # noqa: PLR2004 -- address and function
        raise Refused(f"{len(user)} bytes of user data are too few")
    address, function, data = rest[:5], rest[5], rest[6:]
    if function == USER:
        if not data:
            raise Refused("function FF without its second byte")
        function, data = 0xFF00 | data[0], data[1:]
    return Message(bool(control & 0x80), split, control >> 4 & 3, control & 0x0F, address, function, data)


def place(address: bytes) -> str:
    """What an address says: district and number (method 1), or the code of SL 502 (method 2)."""
    if address[0] == 0:
        return f"station {address[1:].hex().upper()} (SL 502)"
    number = int.from_bytes(address[3:], "little")
    what = "station" if number <= 60_000 else "relay" if number <= 65_534 else "all"  # noqa: PLR2004
    return f"district {address[:3].hex().upper()}, {what} {number}"


def address_of(text: str) -> str:
    """The ten digits of an address as it is written in a configuration: so, or `110108/1284`; raises ValueError."""
    if BY_HEX.fullmatch(text):
        return text.lower()
    named = BY_NAME.fullmatch(text)
    if not named or int(named[2]) > 0xFFFF:  # noqa: PLR2004
        raise ValueError(f"{text!r} is no address: ten hexadecimal digits, or 110108/1284")
    return named[1] + int(named[2]).to_bytes(2, "little").hex()
