"""The four check sums of the field: alike to look at, and each its own."""

from __future__ import annotations


def _reflected(byte: int) -> int:
    """One step of the CRC with polynomial 8005H, bits reversed (A001H)."""
    for _ in range(8):
        byte = byte >> 1 ^ 0xA001 if byte & 1 else byte >> 1
    return byte


def _forward(byte: int) -> int:
    """One step of the CRC with polynomial E5H (X7+X6+X5+X2+1), highest bit first."""
    for _ in range(8):
        byte = (byte << 1 ^ 0xE5 if byte & 0x80 else byte << 1) & 0xFF
    return byte


REFLECTED = tuple(_reflected(byte) for byte in range(256))
FORWARD = tuple(_forward(byte) for byte in range(256))


def modbus(data: bytes, start: int = 0xFFFF) -> int:
    """CRC-16 of SL 651 and Modbus: all ones at first; SL 651 sends its high byte first, Modbus the low one."""
    register = start
    for byte in data:
        register = register >> 8 ^ REFLECTED[(register ^ byte) & 0xFF]
    return register


def sdi12(data: bytes) -> int:
    """CRC-16 of SDI-12 (ARC): as Modbus, but nought at first."""
    return modbus(data, 0)


def hj212(data: bytes) -> int:
    """CRC of HJ 212, appendix A: the byte meets the high half of the register, which is not what Modbus does."""
    register = 0xFFFF
    for byte in data:
        register = REFLECTED[register >> 8 ^ byte]
    return register


def slt427(data: bytes) -> int:
    """CRC-8 of SL/T 427 over the user data: polynomial E5H, nought at first."""
    register = 0
    for byte in data:
        register = FORWARD[register ^ byte]
    return register
