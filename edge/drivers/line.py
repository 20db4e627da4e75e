"""A line: one link that we open, a serial port or a bridge on the network, kept open with a dialogue on it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from edge.drivers.conversation import Ask, Conversation, Counts, Watch
from edge.drivers.dialogue import Heard, MakeDialogue
from edge.drivers.listener import GROUP_BYTES, GROUP_S, ORDERS, TICK_S, Accept
from edge.journal import JournalBroken, JournalFull
from edge.reading import now_us

log = structlog.get_logger("edge.line")

PAUSE_S = (1.0, 30.0)
CONNECT_S = 10.0
WRITE_S = 30.0
MARKING_S = 0.0085  # SDI-12 1.4, 7.1: the line rests so long after a break
STILL_S = 600.0  # a bridge that says nothing for so long is dialled again: it may have forgotten us


class Port(Protocol):
    """Where the bytes come from and go to; OSError is the end of it."""

    def read(self, within_s: float) -> bytes:
        """What has come, at the latest after `within_s`; empty where nothing has."""

    def write(self, data: bytes) -> None:
        """Send all of it."""

    def close(self) -> None:
        """Let go."""


class Bridge:
    """A serial server on the network: its TCP port is the line."""

    still_s = STILL_S

    def __init__(self, host: str, port: int) -> None:
        """Raises OSError where nobody answers."""
        self._socket = socket.create_connection((host, port), timeout=CONNECT_S)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.settimeout(WRITE_S)

    def read(self, within_s: float) -> bytes:
        """What has come."""
        if not select.select([self._socket], [], [], within_s)[0]:
            return b""
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionResetError("the other end has hung up")
        return data

    def write(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.sendall(data)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class SerialPort:
    """A serial port of this machine, or an RS-485 adapter."""

    still_s = float("inf")

    def __init__(self, device: str, baud: int = 9_600, frame: str = "8N1", break_s: float = 0.0) -> None:
        """`frame`: data bits, parity, stop bits; `break_s`: what is sent follows a break of so long.

        Raises OSError where it cannot be opened.
        """
        import serial  # noqa: PLC0415 -- comes with the extra "edge", and only gateways with a serial port need it

        self._break_s = break_s
        self._serial = serial.Serial(
            device,
            baud,
            bytesize=int(frame[0]),
            parity=frame[1].upper(),
            stopbits=int(frame[2]),
            timeout=0,
            write_timeout=WRITE_S,
            exclusive=True,
        )

    def read(self, within_s: float) -> bytes:
        """What has come."""
        if not select.select([self._serial.fileno()], [], [], within_s)[0]:
            return b""
        return bytes(self._serial.read(1 << 16))  # raises where the adapter was pulled out

    def write(self, data: bytes) -> None:
        """Send all of it."""
        if self._break_s:
            self._serial.send_break(self._break_s)
            time.sleep(MARKING_S)
        self._serial.write(data)
        self._serial.flush()

    def close(self) -> None:
        """Let go of the device."""
        with contextlib.suppress(OSError):
            self._serial.close()


class Line:
    """Carries any dialogue on one link in one thread; what fails is opened again, for ever."""

    def __init__(
        self,
        kind: str,
        accept: Accept,
        make: MakeDialogue,
        where: str,
        opened: Callable[[], Bridge | SerialPort],
        *,
        watch: Watch | None = None,
    ) -> None:
        """`where` is what people call the line, `opened` opens it."""
        self.kind, self.where = kind, where
        self._accept, self._make, self._opened = accept, make, opened
        self._watch = watch or Watch()
        self.total = Counts()
        self.fault: Exception | None = None
        self.connected = False
        self._conversation: Conversation | None = None
        self._orders: deque[tuple[str, Ask]] = deque(maxlen=ORDERS)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{kind} {where}", daemon=True)

    @property
    def refused(self) -> int:
        """Frames and lines that said nothing."""
        return self.total.refused

    def start(self) -> None:
        """Begin to open it."""
        self._thread.start()

    def close(self) -> None:
        """Take what has arrived, answer, and let go."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def links(self) -> list[Conversation]:
        """The one link, where it is open."""
        conversation = self._conversation
        return [conversation] if conversation and self.connected else []

    def order(self, station: str, ask: Ask) -> bool:
        """Have the station of this line be asked something; False where it was not heard. From any thread."""
        if not any(station in link.stations for link in self.links()):
            return False
        self._orders.append((station, ask))
        return True

    def as_status(self) -> dict[str, Any]:
        """The line, for the status file."""
        return {
            "kind": self.kind,
            "line": self.where,
            "connected": self.connected,
            **self.total.as_status(),
            "links": [link.as_status() for link in self.links()],
        }

    def _run(self) -> None:
        try:
            self._keep_open()
        except JournalBroken as error:
            self.fault = error  # the agent's main thread sees it and stops the process
            log.critical("journal broken, nothing is accepted any more", error=str(error))
        except Exception as error:
            self.fault = error
            log.exception("driver fails, nothing is accepted any more", driver=self.kind)

    def _keep_open(self) -> None:
        pause = PAUSE_S[0]
        while not self._stopping.is_set():
            try:
                port = self._opened()
            except OSError as error:
                log.warning("line cannot be opened", line=self.where, reason=str(error), again_in_s=pause)
                self._stopping.wait(pause)
                pause = min(2 * pause, PAUSE_S[1])
                continue
            log.info("line open", line=self.where)
            try:
                self.connected = True
                heard_anything = self._serve(port)
            finally:
                self.connected = False
                port.close()
            pause = PAUSE_S[0] if heard_anything else min(2 * pause, PAUSE_S[1])
            self._stopping.wait(pause)

    def _serve(self, port: Bridge | SerialPort) -> bool:
        """Carry the dialogue until the line fails; whether anything was heard."""
        name = f"{self.kind}/{self.where}"
        talk = self._conversation = Conversation(name, self._make(), self.total, self._watch, now_us())
        tick_at, awake = 0.0, time.monotonic()
        try:
            while not self._stopping.is_set():
                now = time.monotonic()
                if data := self._read(port, max(min(tick_at - now, TICK_S), 0.0)):
                    awake = time.monotonic()
                    if not self._answer(port, talk.hear(data, now_us())):
                        return True
                elif now - awake > port.still_s:
                    log.info("line silent for too long, opened again", line=self.where)
                    return bool(talk.last_heard_us)
                if time.monotonic() >= tick_at:
                    tick_at = time.monotonic() + TICK_S
                    for station, ask in [self._orders.popleft() for _ in range(len(self._orders))]:
                        if station in talk.stations:
                            talk.order(ask)
                    if not self._answer(port, talk.tick(now_us())):
                        return True
        except OSError as error:
            log.warning("line lost", line=self.where, reason=str(error))
        return bool(talk.last_heard_us)

    @staticmethod
    def _read(port: Port, within_s: float) -> bytes:
        """What comes in one grouping time, from its first byte on."""
        data = port.read(within_s)
        if not data:
            return b""
        ends = time.monotonic() + GROUP_S
        while len(data) < GROUP_BYTES and (left := ends - time.monotonic()) > 0:
            try:
                data += port.read(left)
            except OSError:  # what was heard before it is kept; the next read meets the end again
                break
        return data

    def _answer(self, port: Port, heard: Heard) -> bool:
        """Make it durable, then answer; False where the dialogue is to begin anew."""
        if heard.readings:
            try:
                self._accept(heard.samples, heard.fixes)
            except JournalFull as error:
                # No answer: the station keeps its readings and says them again.
                log.warning("readings not accepted", reason=str(error), samples=heard.readings)
                if self._conversation:
                    self._conversation.refused(heard.readings, str(error))
                return False
        if heard.keep:
            try:
                self._watch.kept.put(heard.keep)
            except OSError as error:
                log.warning("not kept", line=self.where, reason=str(error))
                if self._conversation:
                    self._conversation.not_kept(str(error))
                return False
        if heard.reply and self._conversation:
            self._conversation.said(heard.reply, now_us())
            port.write(heard.reply)
        return not heard.hang_up
