"""The check of HJ 212 (annex A): CRC-16 whose register forgets its low byte, which makes it one byte of state.

The standard shifts the register right by eight *before* each byte, so what a byte meets is the high byte alone:
`state' = H(state ^ byte)` with H linear over GF(2), and the last step gives sixteen bits of the same eight. H is
its own inverse after eight steps (H^8 = 1; the test holds it), so bytes that stand eight apart simply cancel, and the
check of a packet is that of its bytes XORed into one word of eight: a few operations on one long integer instead of
a step a byte. The other side of it: two bytes eight places apart may change places unseen, and a random packet passes
once in 256. It is the standard's check all the same.
"""

from __future__ import annotations

POLYNOMIAL = 0xA001
WORD = 8
"""H^8 = 1: the check has a period of eight bytes."""


def _step(byte: int) -> int:
    register = byte
    for _ in range(8):
        register = (register >> 1) ^ (POLYNOMIAL if register & 1 else 0)
    return register


_LAST = [_step(byte) for byte in range(256)]
_POWERS = [bytes(range(256))]
for _ in range(WORD - 1):
    _POWERS.append(bytes(_LAST[byte] >> 8 for byte in _POWERS[-1]))
_P0, _P1, _P2, _P3, _P4, _P5, _P6, _P7 = _POWERS
_BEGIN = [_POWERS[(length - 1) % WORD][0xFF] for length in range(WORD)]
_PRINTED = [b"%04X" % value for value in _LAST]


def _folded(data: bytes) -> int:
    """The bytes XORed into one word of eight, in its low bits; what is above them means nothing."""
    folded = int.from_bytes(data, "big")
    folded ^= folded >> 64
    folded ^= folded >> 128
    folded ^= folded >> 256
    folded ^= folded >> 512
    reach = 128
    while reach < len(data):
        folded ^= folded >> 8 * reach
        reach *= 2
    return folded


def _state(folded: int, length: int) -> int:
    """What all but the last step come to: one byte."""
    a, b, c, d, e, f, g, h = (folded & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(WORD, "big")
    return _P7[a] ^ _P6[b] ^ _P5[c] ^ _P4[d] ^ _P3[e] ^ _P2[f] ^ _P1[g] ^ _P0[h] ^ _BEGIN[length % WORD]


def crc(data: bytes) -> int:
    """The check of a data segment, 16 bits; of nothing, the register as it begins."""
    return _LAST[_state(_folded(data), len(data))] if data else 0xFFFF


def printed(data: bytes) -> bytes:
    """The check as it stands in the packet: four hexadecimal digits, upper case. `data` is not empty."""
    return _PRINTED[_state(_folded(data), len(data))]


class Tail:
    """The end of segments that differ in how they begin: what it adds to the check is computed once."""

    __slots__ = ("_folded", "_shift", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._folded = _folded(data)
        self._shift = 8 * (len(data) % WORD)

    def printed(self, begin: bytes) -> bytes:
        """The check of a segment that begins so, at most 56 bytes, as `printed` has it."""
        folded = int.from_bytes(begin, "big") << self._shift
        folded ^= folded >> 64
        folded ^= folded >> 128
        folded ^= folded >> 256
        return _PRINTED[_state(folded ^ self._folded, len(begin) + len(self.data))]
