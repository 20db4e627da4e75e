"""HJ 212 as a dialogue: a monitoring station sends packets, and is told what was taken."""

from __future__ import annotations

from collections.abc import Mapping

from edge.drivers.dialogue import Heard, Listed, Note
from edge.protocols.hj212.frame import Stream
from edge.protocols.hj212.measured import measured
from edge.protocols.hj212.packet import Packet, Refused, read
from edge.protocols.hj212.pieces import Open, Pieces
from edge.protocols.hj212.reply import ANSWERS, confirm
from edge.protocols.hj212.times import time_us

MEASURED = {"2011", "2021", "2031", "2041", "2051", "2061", "3020"}
"""Commands whose CP holds values; any other is confirmed and holds none for us."""

NOW = {"2011", "2021", "3020"}
"""Values of the moment: where no DataTime was sent, the packet's own time will do. A mean's period it cannot tell."""

STALE_US = 30_000_000
"""Half a packet that waits this long was cut off."""

NOISE_LIMIT = 64 << 10
"""So many bytes without a packet: whoever this is, it is no station."""

SEGMENT = 1024
STATIONS = 1000
"""A link that names more stations than any data logger has is not listed any further."""


class Hj212:
    """One link. `stations` leads from MN to the device; an MN that is not in it becomes `hj212-<mn>`."""

    def __init__(self, stations: Mapping[str, str]) -> None:
        self._listed = stations if isinstance(stations, Listed) else self.listed(stations)
        self._devices: dict[str, str] = {}
        self._stream = Stream()
        self._pieces = Pieces()
        self._heard_us = 0
        self._noise = 0

    @staticmethod
    def listed(stations: Mapping[str, str]) -> Listed:
        """The stations of all links of a driver."""
        return Listed((mn.lower(), device) for mn, device in stations.items())

    def stations(self) -> list[str]:
        """The MNs heard on this link."""
        return list(self._devices)

    def hear(self, data: bytes, arrived_us: int) -> Heard:
        """Read what has come; answers stand in the order of their packets."""
        heard = Heard()
        self._heard_us = arrived_us
        if segment := self._stream.one(data):
            self._packet(heard, segment, arrived_us)
            return heard
        for found in self._stream.feed(data):
            if found.refused:
                self._refuse(heard, "refused", found.refused)
                self._noise += len(found.raw)
                if self._noise > NOISE_LIMIT:
                    heard.hang_up = True
                    break  # each refusal may have cost the check of a long packet
            else:
                self._packet(heard, found.segment, arrived_us)
        return heard

    def _packet(self, heard: Heard, segment: bytes, arrived_us: int) -> None:
        self._noise = 0
        try:
            packet = read(segment)
        except Refused as error:
            self._refuse(heard, "refused", str(error))
            return
        heard.frames += 1
        if len(segment) > SEGMENT:
            self._note(heard, packet, "long-segment", f"{len(segment)} characters, not up to {SEGMENT}")
        self._take(heard, packet, arrived_us)

    def tick(self, now_us: int) -> Heard:
        """Answer a piece whose station waits for it; give up what will not be whole any more."""
        heard = Heard()
        if self._stream.waiting and now_us - self._heard_us > STALE_US:
            self._refuse(heard, "cut-off", f"a packet ends after {len(self._stream.drop())} bytes")
        for message in self._pieces.paused(now_us):
            if not message.waiting:
                self._confirm(heard, message.last)
        for message in self._pieces.expired(now_us):
            self._give_up(heard, message)
        return heard

    def _take(self, heard: Heard, packet: Packet, arrived_us: int) -> None:
        header = packet.header
        for code, text in header.notes:
            self._note(heard, packet, code, text)
        if header.pnum or header.pno:
            self._piece(heard, packet, arrived_us)
        elif self._read(heard, packet, arrived_us):
            self._confirm(heard, packet)

    def _piece(self, heard: Heard, packet: Packet, arrived_us: int) -> None:
        """One piece of a message: read at once, answered when it is the last."""
        header = packet.header
        if not 1 <= header.pno <= header.pnum:
            self._note(heard, packet, "piece-number", f"piece {header.pno} of {header.pnum}")
        message, readable, whole, given_up, again = self._pieces.take(packet, arrived_us)
        if again:
            self._note(heard, packet, "resend", f"piece {header.pno} of a message that is done")
        for other in given_up:
            self._give_up(heard, other)
        stored = True
        for one in readable:
            stored = self._read(heard, one, arrived_us) and stored
        if message is not None:
            message.taken = stored = stored and message.taken
            if whole and message.waiting:
                text = f"no piece has a DataTime: {len(message.waiting)} not taken"
                self._refuse(heard, "no-time", text, self._device(header.mn))
                stored = False
        if whole and stored:
            if message is not None:
                self._pieces.done(message)
            self._confirm(heard, packet)

    def _confirm(self, heard: Heard, packet: Packet) -> None:
        heard.reply += confirm(packet)
        header = packet.header
        if header.wants_answer and not packet.qn and header.cn not in ANSWERS:
            self._note(heard, packet, "no-qn", "an answer is asked for, but no QN says to what")

    def _read(self, heard: Heard, packet: Packet, arrived_us: int) -> bool:
        """Take the values; false where the packet cannot be confirmed, because its values were not taken."""
        header = packet.header
        device = self._device(header.mn)
        if header.cn not in MEASURED:
            return True
        data_time, values, notes = measured(packet)
        for code, text in notes:
            heard.notes.append(Note(device, code, text))
        at = time_us(data_time)
        if at is None:
            what = f"DataTime {data_time:.40} is no time" if data_time else "no DataTime"
            if data_time or header.cn not in NOW:
                self._refuse(heard, "no-time", f"{what}: {len(values)} values not taken", device)
                return False
            at = time_us(packet.qn) or arrived_us
            heard.notes.append(Note(device, "no-datatime", f"{what}; the packet's own time stands for it"))
        elif len(data_time) != 14:  # noqa: PLR2004 -- YYYYMMDDhhmmss
            heard.notes.append(Note(device, "long-datatime", f"DataTime {data_time} has milliseconds"))
        heard.samples += [(f"{device}/{metric}", at, value) for metric, value in values.items()]
        return True

    def _give_up(self, heard: Heard, message: Open) -> None:
        missing = message.wanted - len(message.seen)
        self._note(heard, message.last, "piece-missing", f"{missing} of {message.wanted} pieces did not come")
        if message.waiting:
            text = f"{len(message.waiting)} pieces without a DataTime are not taken"
            self._refuse(heard, "no-time", text, self._device(message.last.header.mn))

    def _device(self, mn: str) -> str:
        device = self._devices.get(mn)
        if device is None:
            device = self._listed.get(mn.lower()) or f"hj212-{mn.lower().replace('_', '-')}"
            if len(self._devices) < STATIONS:
                self._devices[mn] = device
        return device

    def _note(self, heard: Heard, packet: Packet, code: str, text: str) -> None:
        heard.notes.append(Note(self._device(packet.header.mn), code, text))

    def _refuse(self, heard: Heard, code: str, text: str, device: str = "") -> None:
        heard.refused += 1
        heard.notes.append(Note(device or next(iter(self._devices.values()), ""), code, text))
