"""What a centre answers to a station's report and to its link."""

from __future__ import annotations

from edge.protocols.sl427.frame import pack
from edge.protocols.sl427.message import LINK, REPORTS, Message
from edge.protocols.sl427.values import tag


def confirm(message: Message, mode: int, tag_length: int, now_us: int) -> bytes:
    """The confirmation: same address, function, FCB and DIVS, command 0; no answer is ever due to one of these.

    Its data are one byte, the working mode the station is to be in; to a link's frame, what it said. Where the report
    carries a time tag so does the confirmation, and the station sets its clock by it.
    """
    control = (0x40 if message.split else 0) | message.fcb << 4
    head = bytes((control,)) + (bytes((message.split,)) if message.split else b"") + message.address
    if message.function == LINK:
        return pack(head + bytes((LINK,)) + message.data[:1])
    function = message.function.to_bytes(2, "big") if message.function > 0xFF else bytes((message.function,))  # noqa: PLR2004
    timed = message.function in REPORTS
    return pack(head + function + bytes((mode,)) + (tag(now_us, tag_length) if timed else b""))
