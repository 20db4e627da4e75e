"""What an SL 651 station does with a query or a command, and what it answers (M4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from firmware_sim.protocols.bcd import beijing, since_1970
from firmware_sim.protocols.sl651.body import Item, Number, Observed, Raw, Series, Slots, Station, Status
from firmware_sim.protocols.sl651.downlink import Downlink
from firmware_sim.protocols.sl651.elements import BY_LEADER
from firmware_sim.protocols.sl651.frame import body, frame
from firmware_sim.stations.elements import SYMBOLS
from firmware_sim.stations.memory import SLOT_S

if TYPE_CHECKING:
    from firmware_sim.stations.rtu import Rtu

VERSION = b"LANJIANG-RTU-V2.1"
PERIOD_MOST = 288


def obey(rtu: Rtu, order: Downlink, true_s: float) -> bytes:  # noqa: C901, PLR0912 - one case a function
    """Do it and answer it; what the station does not know is not answered."""
    shown = rtu.clock.at(true_s)
    station = Station(rtu.line.rtu)
    items: list[Item]
    match order.function:
        case 0x37:
            items = rtu.now_items(shown)
        case 0x38:
            items = _period(rtu, order)
        case 0x3A:
            items = _asked(rtu, order, shown)
        case 0x40 | 0x42:
            rtu.parameters |= _parameters(order.body[8:])
            items = [station, Raw(order.body[8:])]
        case 0x41 | 0x43:
            items = [station, Raw(b"".join(_known(rtu, order.body[8:])))]
        case 0x45:
            items = [station, Raw(bytes([len(VERSION)]) + VERSION)]
        case 0x46:
            items = [station, Status(rtu.status())]
        case 0x47 | 0x48:
            rtu.memory.forget()
            items = [station]
        case 0x4A:
            _set_clock(rtu, order, true_s)
            shown = rtu.clock.at(true_s)
            items = [station]
        case 0x4C:
            rtu.pumps = order.body[9] if len(order.body) > 9 else rtu.pumps  # noqa: PLR2004 - count, then bits
            items = [station, Raw(bytes([1, rtu.pumps]))]
        case 0x50:
            items = [station, Raw(bytes(64))]
        case 0x51:
            items = [station]
        case _:
            return b""
    rtu.serial = rtu.serial % 0xFFFF + 1
    return frame(rtu.line, order.function, body(rtu.line, rtu.serial, beijing(shown), items))


def _set_clock(rtu: Rtu, order: Downlink, true_s: float) -> None:
    try:
        told = datetime.strptime(order.time, "%y%m%d%H%M%S")  # noqa: DTZ007 - Beijing time has no zone here
    except ValueError:
        return
    rtu.clock.set(since_1970(told), true_s)


def _asked(rtu: Rtu, order: Downlink, shown: float) -> list[Item]:
    """3A: the elements that are asked for, missing ones told as missing."""
    items: list[Item] = [Station(rtu.line.rtu, rtu.settings.kind), Observed(beijing(shown))]
    wanted = order.body[8:]
    symbols = wanted.decode("ascii", "replace").split() if rtu.line.ascii_ else []
    if not rtu.line.ascii_:
        symbols = [_symbol(leader) for leader in wanted[::2]]
    for symbol in symbols:
        last = int(shown) // SLOT_S * SLOT_S
        first = Observed(beijing(last) - timedelta(minutes=55))
        if symbol == "DRP":
            items += [first, Slots(symbol, rtu.memory.slots("rain", last))]
        elif symbol == "DRZ1":
            items += [first, Slots(symbol, rtu.memory.slots("level", last))]
        elif symbol in BY_LEADER.values():
            items.append(_value(rtu, symbol))
    return items


def _symbol(leader: int) -> str:
    return {0xF4: "DRP", 0xF5: "DRZ1"}.get(leader) or BY_LEADER.get(leader, "")


def _value(rtu: Rtu, symbol: str) -> Number:
    for metric in rtu.memory.last:
        if metric in SYMBOLS and (found := rtu.number(metric)).symbol == symbol:
            return found
    return Number(symbol, None)


def _period(rtu: Rtu, order: Downlink) -> list[Item]:
    """38: rain or level between two hours at a step, as an even series."""
    items: list[Item] = [Station(rtu.line.rtu, rtu.settings.kind)]
    content = order.body[8:]
    try:
        start, end = (
            datetime.strptime(part.hex(), "%y%m%d%H")  # noqa: DTZ007 - Beijing time has no zone here
            for part in (content[:4], content[4:8])
        )
    except ValueError:
        return items
    step = max(int(content[12:13].hex() or "5"), 5) if content[8:10] == b"\x04\x18" else 5
    symbol = _symbol(content[13]) if len(content) > 13 else "Z"  # noqa: PLR2004 - behind the step
    metric = "rain" if symbol.startswith("P") else "level"
    count = min(int((end - start) / timedelta(minutes=step)) + 1, PERIOD_MOST)
    last = int(since_1970(start)) + (count - 1) * step * 60
    values = rtu.memory.slots(metric, last, count, step * 60 // SLOT_S)
    known = symbol if symbol in BY_LEADER.values() else "Z"
    return [*items, Observed(start), Series(step, known, values)]


def _parameters(content: bytes) -> dict[int, bytes]:
    """Parameters of a configuration: leader, definition, as many bytes as it says."""
    found, at = {}, 0
    while at + 2 <= len(content):
        size = content[at + 1] >> 3
        found[content[at]] = content[at : at + 2 + size]
        at += 2 + size
    return found


def _known(rtu: Rtu, content: bytes) -> list[bytes]:
    return [rtu.parameters[leader] for leader in content[::2] if leader in rtu.parameters]
