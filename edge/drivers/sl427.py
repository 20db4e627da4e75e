"""SL/T 427 and SZY 206 as a dialogue: a station logs in, reports, and is confirmed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from edge.drivers.dialogue import Heard, Note
from edge.protocols.sl427.elements import QUALITY, Unfit
from edge.protocols.sl427.frame import Found, Stream
from edge.protocols.sl427.message import (
    FUNCTIONS,
    LINK,
    LINKS,
    PICTURE,
    REPORTS,
    VOLTAGE,
    Message,
    Refused,
    address_of,
    read,
)
from edge.protocols.sl427.pieces import Changes, Open, Pieces
from edge.protocols.sl427.reply import confirm
from edge.protocols.sl427.report import Dialect
from edge.protocols.sl427.report import read as read_report

STALE_US = 30_000_000
SLOW_US = 600_000_000
"""The longest picture takes as long at 1,200 baud; what goes on after it is other stations' frames behind a cut one."""
STATIONS = 1000
NOISE_LIMIT = 128 << 10
"""So many bytes without a frame, two pictures: whoever this is, it is no station."""


def _decimals(address: str, known: Mapping[str, int]) -> dict[str, int]:
    if not isinstance(known, Mapping) or not known.keys() <= set(QUALITY):
        raise ValueError(f"quality of {address}: a table of decimals by metric, of {', '.join(QUALITY)}")
    for metric, decimals in known.items():
        if type(decimals) is not int or decimals not in range(9):
            raise ValueError(f"quality of {address}: {metric} has {decimals!r:.20} decimals, not 0 to 8")
    return dict(known)


class Sl427:
    """One link.

    `stations` leads from the address (ten hexadecimal digits, or `110108/1284`) to the device; an address that is not
    in it becomes `sl427-<address>`. `szy206`: addresses of stations with a time tag of five bytes. `quality`: decimals
    of water quality parameters by address and metric. `mode`: the working mode that confirmations name, 0 to 3.
    """

    def __init__(
        self,
        stations: Mapping[str, str],
        *,
        szy206: Collection[str] = (),
        quality: Mapping[str, Mapping[str, int]] | None = None,
        mode: int = 0,
        kept: Callable[[str], bytes | None],
    ) -> None:
        """`kept` reads what dialogues have asked to be kept (`Heard.keep`), by its name."""
        if mode not in range(4):
            raise ValueError(f"mode {mode!r:.20}: 0 reports and answers, 1 reports, 2 answers, 3 repair")
        self._listed = {address_of(address): device for address, device in stations.items()}
        old = {address_of(address) for address in szy206}
        decimals = {
            address_of(address): _decimals(address, known) for address, known in (quality or {}).items()
        }
        self._dialects = {
            address: Dialect(address in old, decimals.get(address, {})) for address in old | decimals.keys()
        }
        self._mode = mode
        self._heard: dict[str, None] = {}
        self._stream = Stream()
        self._pieces = Pieces(kept)
        self._clean = True  # since the last frame nothing came that could not be read
        self._spoken = False  # a frame has been read
        self._heard_us = 0
        self._begun_us = 0  # since when what waits has been waiting
        self._noise = 0

    def stations(self) -> list[str]:
        """The addresses heard on this link."""
        return list(self._heard)

    def hear(self, data: bytes, arrived_us: int) -> Heard:
        """Read what has come; confirmations stand in the order of their frames."""
        heard = Heard()
        self._heard_us = arrived_us
        if not self._stream.waiting:
            self._begun_us = arrived_us
        for found in self._stream.feed(data):
            self._begun_us = arrived_us
            self._found(heard, found, arrived_us)
        return heard

    def tick(self, now_us: int) -> Heard:
        """Give up what will not be whole any more."""
        heard = Heard()
        silent, slow = now_us - self._heard_us > STALE_US, now_us - self._begun_us > SLOW_US
        if self._stream.waiting and (silent or slow):
            self._begun_us = now_us
            for found in self._stream.give_up():
                self._found(heard, found, now_us)
        changes: Changes = {}
        for held in self._pieces.expired(now_us, changes):
            self._give_up(heard, held)
        heard.keep = changes or None
        return heard

    def _found(self, heard: Heard, found: Found, arrived_us: int) -> None:
        if found.refused:
            self._refuse(heard, "refused", found.refused)
            self._noise += len(found.raw)
            self._clean = False
            heard.hang_up = self._noise > NOISE_LIMIT
            return
        self._noise = 0
        try:
            message = read(found.user)
        except Refused as error:
            self._refuse(heard, "refused", str(error))
            return
        heard.frames += 1
        device = self._device(message)
        if not message.up:
            heard.notes.append(Note(device, "downlink", f"a centre's frame came up the link: {message.name}"))
            return
        clean = self._clean and (self._spoken or message.split != 1)
        self._clean = self._spoken = True
        if message.split:
            self._piece(heard, message, device, arrived_us, clean=clean)
        elif self._take(heard, message, message.data, device, arrived_us):
            heard.reply += self._confirm(message, arrived_us)

    def _piece(self, heard: Heard, message: Message, device: str, arrived_us: int, *, clean: bool) -> None:
        """One frame of a split message: confirmed when it is kept, the last one when the readings are."""
        heard.keep = {} if heard.keep is None else heard.keep
        taken = self._pieces.take(message, device, arrived_us, heard.keep, clean=clean)
        if taken.given_up:
            self._give_up(heard, taken.given_up)
        if taken.again:
            heard.notes.append(Note(device, "resend", "the last frame of a message that is done"))
        if taken.unsure:
            self._refuse(heard, "first-unsure", f"{message.name}: {taken.unsure}; not taken", device)
        confirm = taken.confirm
        if taken.data is not None:
            confirm = self._take(heard, message, taken.data, device, arrived_us)
            if not confirm:
                self._pieces.refused(message, heard.keep)
        if confirm:
            heard.reply += self._confirm(message, arrived_us)

    def _take(self, heard: Heard, message: Message, data: bytes, device: str, arrived_us: int) -> bool:
        """Take a whole message; false where it is not to be confirmed."""
        if message.function == LINK:
            if data[:1] and data[0] not in LINKS:
                heard.notes.append(Note(device, "unknown-link", f"link {data[0]:02X} is not F0, F1 or F2"))
            return bool(data[:1])
        if message.function == PICTURE:
            heard.notes.append(Note(device, "picture", f"a picture of {len(data)} bytes is not kept"))
            return True
        if message.function not in REPORTS | {VOLTAGE}:
            text = f"{message.name} (AFN {message.function:02X}), which nobody asked for, is not stored"
            heard.notes.append(Note(device, "not-a-report", text))
            return False
        try:
            report = read_report(message, data, self._dialect(message), arrived_us)
        except Unfit as error:
            self._refuse(heard, "unfit", f"{message.name}, kind {message.kind}: {error}", device)
            return False
        if report.time_us is None:
            hint = f"{report.tag.hex()} is no time of {len(report.tag)} bytes; is SZY 206 set rightly for this station?"
            self._refuse(heard, "no-time", hint, device)
            return False
        heard.notes += [Note(device, code, text) for code, text in report.notes]
        at, told = report.time_us, {}
        for one in report.reads:
            if one.metric in told:
                heard.notes.append(
                    Note(device, "repeated", f"{one.metric} is in the report twice; the first counts")
                )
            elif one.metric:
                told[one.metric] = one.number.value
        told |= {seen.bit.metric: seen.value for seen in report.states if seen.bit.metric}
        heard.samples += [(f"{device}/{metric}", at, value) for metric, value in told.items()]
        return True

    def _confirm(self, message: Message, arrived_us: int) -> bytes:
        return confirm(message, self._mode, self._dialect(message).tag, arrived_us)

    def _give_up(self, heard: Heard, held: Open) -> None:
        what = FUNCTIONS.get(held.function, "another function")
        text = f"{what}: of {held.first} frames those after {held.last} did not come; nothing is stored"
        self._refuse(heard, "piece-missing", text, held.device)

    def _dialect(self, message: Message) -> Dialect:
        return self._dialects.get(message.station, Dialect())

    def _device(self, message: Message) -> str:
        address = message.station
        if len(self._heard) < STATIONS:
            self._heard.setdefault(address)
        return self._listed.get(address) or f"sl427-{address}"

    def _refuse(self, heard: Heard, code: str, text: str, device: str = "") -> None:
        heard.refused += 1
        if not device and self._heard:
            address = next(iter(self._heard))
            device = self._listed.get(address) or f"sl427-{address}"
        heard.notes.append(Note(device, code, text))
