"""An encoder of SL 651 frames for the tests, written from the standard; it shares nothing with the decoder."""

from __future__ import annotations

RTU = "0012345678"
SENT = "260701050137"
OBSERVED = "2607010500"
ARRIVED_US = 1_782_853_300_000_000  # 2026-06-30 21:01:40 UTC, three seconds after SENT in Beijing


def crc(data: bytes) -> int:
    """Bit by bit, as the standard's polynomial reads."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register


def hexframe(  # a frame of the field
    body: bytes,
    *,
    func: int = 0x32,
    rtu: str = RTU,
    down: bool = False,
    end: int = 3,
    number: int = 0,
    total: int = 0,
    centre: int = 1,
    lie: int | None = None,
) -> bytes:
    packed = (total << 12 | number).to_bytes(3) if total else b""
    address = bytes.fromhex(rtu) + bytes((centre,)) if down else bytes((centre,)) + bytes.fromhex(rtu)
    length = len(packed) + len(body) if lie is None else lie
    sent = b"\x7e\x7e" + address + b"\x12\x34" + bytes((func,)) + (down * 0x8000 + length).to_bytes(2)
    sent += (b"\x16" if total else b"\x02") + packed + body + bytes((end,))
    return sent + crc(sent).to_bytes(2)


def textframe(
    body: bytes,
    *,
    func: int = 0x32,
    rtu: str = RTU,
    down: bool = False,
    end: int = 3,
    number: int = 0,
    total: int = 0,
) -> bytes:
    packed = b"%03X%03X" % (total, number) if total else b""
    address = f"{rtu}01" if down else f"01{rtu}"
    head = f"{address}1234{func:02X}{'8' if down else '0'}{len(packed) + len(body):03X}"
    sent = b"\x01" + head.encode() + (b"\x16" if total else b"\x02") + packed + body + bytes((end,))
    return sent + b"%04X" % crc(sent)


def report(
    elements: str = "2019000015261900001539230000012238121108",
    *,
    serial: int = 9,
    sent: str = SENT,
    observed: str = OBSERVED,
    rtu: str = RTU,
    klass: str = "48",
) -> bytes:
    """The body of a report: serial number, time of sending, station, class, observation time, elements."""
    return bytes.fromhex(f"{serial:04X}{sent}F1F1{rtu}{klass}F0F0{observed}{elements}")
