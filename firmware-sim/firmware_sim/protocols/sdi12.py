"""SDI-12 sensors on one line behind a TCP-serial bridge (version 1.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from firmware_sim.protocols.checksum import sdi12

LONGEST = 35  # characters of the values in one answer to aD0!
NEWLINE = b"\r\n"


def signed(value: float, decimals: int = 3) -> str:
    """A value as SDI-12 writes it: its sign always, seven digits at most."""
    return f"{value:+.{decimals}f}"


def check(text: bytes) -> bytes:
    """The CRC as three printable characters: six bits each, high ones first."""
    crc = sdi12(text)
    return bytes([0x40 | crc >> 12, 0x40 | crc >> 6 & 0x3F, 0x40 | crc & 0x3F])


@dataclass(slots=True)
class Sensor:
    """One sensor: answers commands with its address in front."""

    address: str
    read: Callable[[], list[float]]
    ready_s: int = 0  # how long a measurement takes
    maker: str = "LANJIANG"
    model: str = "LEVEL1"
    _measured: list[str] = field(default_factory=list, init=False)
    _checked: bool = field(default=False, init=False)

    def answer(self, command: str) -> bytes:
        """The answer to a command without its exclamation mark, without its address; empty if it is none."""
        match command:
            case "":
                return self.address.encode() + NEWLINE
            case "I":
                return f"{self.address}14{self.maker:8.8}{self.model:6.6}100".encode() + NEWLINE
            case "M" | "MC" | "C" | "CC":
                return self._measure(command)
        if command[0] == "D" and command[1:].isdigit():
            return self._tell(int(command[1:]))
        return b""

    def _measure(self, command: str) -> bytes:
        self._checked = command.endswith("CC") or command == "MC"
        self._measured = [signed(value) for value in self.read()]
        count = f"{len(self._measured):02}" if command[0] == "C" else f"{min(len(self._measured), 9)}"
        return f"{self.address}{self.ready_s:03}{count}".encode() + NEWLINE

    def _tell(self, page: int) -> bytes:
        pages = [""]
        for value in self._measured:
            if pages[-1] and len(pages[-1]) + len(value) > LONGEST:
                pages.append("")
            pages[-1] += value
        told = (self.address + (pages[page] if page < len(pages) else "")).encode()
        return told + (check(told) if self._checked else b"") + NEWLINE


class Bus:
    """All sensors of one line; who is not asked is silent."""

    def __init__(self, sensors: list[Sensor]) -> None:
        self.sensors = {sensor.address: sensor for sensor in sensors}
        self.answered = 0

    def take(self, waiting: bytes) -> tuple[bytes, bytes]:
        """Answer all whole commands; the answers, and what is left of the stream."""
        answers = b""
        *commands, left = waiting.split(b"!")
        for command in commands:
            # A break on the line comes through some bridges as noughts; line ends are not commands.
            text = command.strip(b"\x00\r\n ").decode("ascii", "replace")
            answers += self._one(text)
        return answers, left[-16:]

    def _one(self, text: str) -> bytes:
        if text == "?" and len(self.sensors) == 1:
            text = next(iter(self.sensors))
        sensor = self.sensors.get(text[:1])
        answer = sensor.answer(text[1:]) if sensor else b""
        self.answered += bool(answer)
        return answer
