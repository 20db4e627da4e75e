"""The bench `edge`: memory of an agent with two drivers, and thousands of connected stations on one core of it."""

from __future__ import annotations

import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import orjson

from bench import machine
from bench.errors import Mismatch
from bench.rig import Say

OPTIONS = ("rtus",)
RTUS = 2_000
READY_S = 30.0
FRAME_AT_US = 1_790_000_000


def run(seconds: float, runs: int, say: Say, rtus: int = RTUS) -> dict[str, object]:
    """Measure; raises Mismatch when a station is not answered, or a reading is not in the journal."""
    found = []
    for number in range(runs):
        say(f"run {number + 1} of {runs}: {rtus:,} stations")
        with tempfile.TemporaryDirectory(prefix="cityhub-bench-") as folder:
            found.append(_one(Path(folder), seconds, rtus))
    return {
        "edge_rss_mb": round(median(each["idle_mb"] for each in found), 1),
        "rtus": rtus,
        "links_per_s": round(median(each["links_per_s"] for each in found)),
        "reports_per_s": round(median(each["reports_per_s"] for each in found)),
        "cpu_percent_of_a_core": round(median(each["cpu"] for each in found), 1),
        "slowest_answer_ms": round(median(each["slowest_ms"] for each in found)),
        "edge_rss_mb_with_rtus": round(median(each["busy_mb"] for each in found), 1),
        "machine": machine.describe("none: the journal keeps all", "none"),
        "load": f"each of {rtus:,} SL 651 stations connects, then reports (32H, one level) every {_turn(rtus):g} s for"
        f" {seconds:g} s and waits for its acknowledgement",
        "runs": {key: [round(each[key], 1) for each in found] for key in found[0]},
    }


def _turn(rtus: int) -> float:
    return max(rtus / 1_000, 2.0)


def _one(folder: Path, seconds: float, rtus: int) -> dict[str, float]:
    file, home = folder / "gateway.toml", folder / "home"
    file.write_text(
        f'[gateway]\nid = "bench"\ndepartment = "bench"\nbroker = "mqtt://127.0.0.1:1"\nhome = "{home}"\n'
        '[[driver]]\nkind = "jsonlines"\nlisten = "127.0.0.1:0"\n'
        f'[[driver]]\nkind = "sl651"\nlisten = "127.0.0.1:0"\nlinks = {rtus + 10}\n'
    )
    agent = subprocess.Popen(
        [sys.executable, "-P", "-m", "cityhub.cli", "edge", "run", str(file)],
        stderr=subprocess.DEVNULL,
    )
    try:
        port = _port(home)
        idle_mb = machine.resident_mb(agent.pid)
        field = Field(port, rtus)
        links_per_s = rtus / field.connect()
        begun, used = time.perf_counter(), machine.cpu_s(agent.pid)
        reports, slowest = field.report(seconds, _turn(rtus))
        took = time.perf_counter() - begun
        cpu = 100 * (machine.cpu_s(agent.pid) - used) / took
        busy_mb = machine.resident_mb(agent.pid)
        field.close()
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(READY_S)
    status = orjson.loads((home / "status.json").read_bytes())
    driver = next(each for each in status["drivers"] if each["name"] == "sl651")
    if driver["readings"] < reports:
        raise Mismatch(
            f"{reports} reports were acknowledged, {driver['readings']} readings are in the journal"
        )
    return {
        "idle_mb": idle_mb,
        "busy_mb": busy_mb,
        "links_per_s": links_per_s,
        "reports_per_s": reports / took,
        "cpu": cpu,
        "slowest_ms": slowest * 1e3,
    }


def _port(home: Path) -> int:
    limit = time.monotonic() + READY_S
    while time.monotonic() < limit:
        if (home / "status.json").exists():
            drivers = orjson.loads((home / "status.json").read_bytes())["drivers"]
            return int(next(each["port"] for each in drivers if each["name"] == "sl651"))
        time.sleep(0.05)
    raise Mismatch("the agent does not start")


class Field:
    """Stations on sockets, one thread; each reports in its turn and waits for the answer."""

    def __init__(self, port: int, rtus: int) -> None:
        self._port, self._sockets = port, [socket.socket() for _ in range(rtus)]
        self._selector = selectors.DefaultSelector()

    def connect(self) -> float:
        """Seconds until all are connected and have been answered once."""
        begun = time.perf_counter()
        waiting = 0
        for number, each in enumerate(self._sockets):
            each.connect(("127.0.0.1", self._port))
            each.setblocking(False)
            self._selector.register(each, selectors.EVENT_READ, number)
            each.send(report(number, 1))
            waiting += 1
        while waiting:
            waiting -= len(self._answers(READY_S))
        return time.perf_counter() - begun

    def report(self, seconds: float, turn_s: float) -> tuple[int, float]:
        """Have every station report once a turn; how many were acknowledged, and the slowest of it in seconds."""
        begun = time.perf_counter()
        sent_at: dict[int, float] = {}
        sent = answered = 0
        slowest = 0.0
        while (now := time.perf_counter() - begun) < seconds or sent_at:
            due = int(min(now, seconds) / turn_s * len(self._sockets))
            while sent < due:
                number, serial = sent % len(self._sockets), 2 + sent // len(self._sockets)
                if number in sent_at:
                    break  # it waits for its answer; a station does not report twice at once
                self._sockets[number].send(report(number, serial))
                sent_at[number] = time.perf_counter()
                sent += 1
            for number in self._answers(0.01, silence_is_wrong=now > seconds + READY_S):
                if number in sent_at:
                    slowest = max(slowest, time.perf_counter() - sent_at.pop(number))
                    answered += 1
        return answered, slowest

    def _answers(self, within_s: float, *, silence_is_wrong: bool = True) -> list[int]:
        found = []
        for key, _ in self._selector.select(within_s):
            data = key.fileobj.recv(4_096)  # type: ignore[union-attr]  # only sockets are registered
            if not data:
                raise Mismatch("a station was hung up on")
            if b"\x7e\x7e" in data:
                found.append(int(key.data))
        if not found and silence_is_wrong:
            raise Mismatch("stations wait for their answers")
        return found

    def close(self) -> None:
        """Hang up."""
        self._selector.close()
        for each in self._sockets:
            each.close()


def report(number: int, serial: int) -> bytes:
    """SL 651-2014, 32H in HEX/BCD: one level, at a time of its own for each serial number."""
    station = bytes.fromhex(f"00{number:08d}")
    at = bytes.fromhex(time.strftime("%y%m%d%H%M%S", time.gmtime(FRAME_AT_US + 60 * serial)))
    level = bytes.fromhex("3923") + bytes.fromhex(f"{number % 9_000 + 1:08d}")
    body = serial.to_bytes(2, "big") + at + b"\xf1\xf1" + station + b"\x48" + b"\xf0\xf0" + at[:5] + level
    frame = (
        b"\x7e\x7e\x01" + station + b"\x12\x34\x32" + len(body).to_bytes(2, "big") + b"\x02" + body + b"\x03"
    )
    return frame + _crc(frame).to_bytes(2, "big")


def _crc(data: bytes) -> int:
    """CRC-16/MODBUS, by hand: a bench must not measure a codec with itself."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    return register
