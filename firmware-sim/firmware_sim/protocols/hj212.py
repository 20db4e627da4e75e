"""HJ 212-2017: pollution sources and ambient stations; text packets with a length and a check sum."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from firmware_sim.protocols.checksum import hj212

LONGEST = 1024  # characters of a data segment
VERSION = 0b100  # bits 2-7 of Flag: 1 is HJ 212-2017
ACK, SPLIT = 1, 2  # bits 0 and 1 of Flag


@dataclass(frozen=True, slots=True)
class Instrument:
    """One data logger: what stands in the head of each of its packets."""

    mn: str  # its own number, up to 24 characters
    st: str = "32"  # system: 21 surface water, 22 air, 32 waste water
    pw: str = "123456"


class Factor(NamedTuple):
    """One pollutant in a packet: `values` as Rtd, or Cou, Min, Avg, Max; flag N is normal."""

    code: str
    values: dict[str, float | None]
    flag: str = "N"
    decimals: int = 3


def packet(segment: str) -> bytes:
    """A data segment with its frame: ##, length, segment, check sum, CR LF."""
    data = segment.encode()
    return b"##%04d%s%04X\r\n" % (len(data), data, hj212(data))


def qn(moment: datetime) -> str:
    """A request's number: Beijing time to the millisecond."""
    return f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1000:03}"


def segment(
    instrument: Instrument, qn_: str, cn: str, flag: int, cp: str, part: tuple[int, int] | None
) -> str:
    """A data segment; `part` = (number, of how many) where a message is split."""
    split = f"PNUM={part[1]};PNO={part[0]};" if part else ""
    flag |= VERSION | (SPLIT if part else 0)
    return (
        f"QN={qn_};ST={instrument.st};CN={cn};PW={instrument.pw};MN={instrument.mn};Flag={flag};"
        f"{split}CP=&&{cp}&&"
    )


def group(factor: Factor) -> str:
    """One pollutant's items; a value that is missing is left out, and only its flag is told."""
    told = [
        f"{factor.code}-{kind}={value:.{factor.decimals}f}"
        for kind, value in factor.values.items()
        if value is not None
    ]
    return ",".join([*told, f"{factor.code}-Flag={factor.flag}"])


def data(
    instrument: Instrument,
    qn_: str,
    cn: str,
    time: datetime,
    factors: list[Factor],
    *,
    ack: bool = True,
) -> list[bytes]:
    """A data message (2011 real time, 2051 minute, 2061 hour, 2031 day), split where it is too long.

    Each packet of a split message tells its own DataTime and whole groups.
    """
    stamp = f"DataTime={time:%Y%m%d%H%M%S}"
    # What a packet may hold besides its head: measured on a head with the longest PNUM and PNO.
    room = LONGEST - len(segment(instrument, qn_, cn, ack, stamp, (999, 999)))
    parts: list[list[str]] = [[]]
    for one in map(group, factors):
        if parts[-1] and sum(len(told) + 1 for told in [*parts[-1], one]) > room:
            parts.append([])
        parts[-1].append(one)
    several = len(parts) > 1
    return [
        packet(
            segment(
                instrument,
                qn_,
                cn,
                int(ack),
                ";".join([stamp, *told]),
                (number, len(parts)) if several else None,
            )
        )
        for number, told in enumerate(parts, start=1)
    ]


def answer(instrument: Instrument, qn_: str, cn: str, cp: str = "") -> bytes:
    """A system response (9011 request taken, 9012 executed, 9013, 9014): ST 91, the request's own QN."""
    head = f"QN={qn_};ST=91;CN={cn};PW={instrument.pw};MN={instrument.mn};Flag={VERSION};CP=&&{cp}&&"
    return packet(head)


class Order(NamedTuple):
    """What came down: head fields and the items of CP."""

    head: dict[str, str]
    cp: dict[str, str]


class Orders:
    """Reads packets from a stream; what is no packet is stepped over."""

    def __init__(self) -> None:
        self._waiting = b""

    def feed(self, received: bytes) -> list[Order]:
        """Take what came; the packets that are whole by now."""
        self._waiting += received
        found = []
        while (start := self._waiting.find(b"##")) >= 0:
            left = self._waiting[start:]
            digits = left[2:6]
            if len(digits) < 4:  # noqa: PLR2004 - the length has four digits
                break
            if not digits.isdigit():
                self._waiting = left[1:]
                continue
            size = 6 + int(digits)
            if len(left) < size + 4:
                break
            order = _order(left[6:size], left[size : size + 4])
            if order:
                found.append(order)
            self._waiting = left[size + 4 if order else 1 :]
        else:
            self._waiting = self._waiting[-1:]
        return found


def _order(data_: bytes, check: bytes) -> Order | None:
    try:
        if int(check, 16) != hj212(data_):
            return None
    except ValueError:
        return None
    head, _, cp = data_.decode(errors="replace").partition("CP=&&")
    return Order(_items(head), _items(cp.removesuffix("&&").replace(",", ";")))


def _items(text: str) -> dict[str, str]:
    return dict(item.split("=", 1) for item in text.split(";") if "=" in item)
