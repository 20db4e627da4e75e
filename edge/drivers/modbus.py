"""Modbus: asks slaves on one line for their registers, round after round; one that is broken holds up no other."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import structlog
from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusException

from edge.drivers.conversation import Ask, Counts, Watch
from edge.drivers.dialogue import Heard, Note, Sample
from edge.drivers.slaves import PATIENT_ROUNDS, Slave, slaves_of
from edge.journal import JournalBroken, JournalFull
from edge.protocols.modbus.registers import Request
from edge.reading import now_us

log = structlog.get_logger("edge.modbus")
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what it says of slaves is counted by code here

LEAST_S = 0.1
RECONNECT_S = (1.0, 30.0)
EXCEPTIONS = {
    1: "it does not know this function",
    2: "it has no such register",
    3: "it does not take this number of registers",
    4: "it has failed",
    6: "it is busy",
    10: "the way to it is not configured",
    11: "the device behind the gateway does not answer",
}


class Place(NamedTuple):
    """Where the line is: a host's port, or a serial device."""

    host: str
    port: int
    device: str
    baud: int
    frame: str


class Modbus:
    """One line, one thread, one question at a time, as the bus wants it."""

    def __init__(  # noqa: PLR0917 -- the last five are the options of a file
        self,
        name: str,
        accept: Callable[[list[Sample]], None],
        place: Place,
        stations: Mapping[str, str],
        maps: dict[str, str],
        every_s: float = 60.0,
        timeout_s: float = 2.0,
        framing: str = "",
        watch: Watch | None = None,
    ) -> None:
        """`stations`: unit (1 to 247) -> device; `maps`: unit -> register map; `framing`: tcp, or rtu.

        Raises ValueError (with `hint`) where they do not fit together.
        """
        self.kind = name
        self.fault: Exception | None = None
        self.total = Counts()
        self._accept, self._place, self._watch = accept, place, watch or Watch()
        self._slaves = slaves_of(stations, maps)
        self._every_s, self._timeout_s = max(every_s, LEAST_S), timeout_s
        self._rtu = (framing or ("rtu" if place.device else "tcp")) == "rtu"
        self._reachable = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @staticmethod
    def check(
        stations: Mapping[str, str],
        maps: dict[str, str],
        every_s: float = 60.0,
        timeout_s: float = 2.0,
        framing: str = "",
    ) -> None:
        """Whether these would do; raises ValueError."""
        slaves_of(stations, maps)
        if framing not in ("", "tcp", "rtu"):
            raise ValueError(f"options.framing is {framing!r}; tcp or rtu")
        if every_s < LEAST_S or not 0 < timeout_s <= 60:  # noqa: PLR2004
            raise ValueError("options.every_s at least 0.1, options.timeout_s up to 60")

    @property
    def refused(self) -> int:
        """Questions that brought nothing."""
        return self.total.refused

    def links(self) -> list[Slave]:
        """The slaves that answer."""
        return [slave for slave in self._slaves if slave.last_heard_us and not slave.silent]

    def order(self, station: str, ask: Ask) -> bool:  # noqa: ARG002 -- what a dialogue would be asked
        """A slave takes no orders from us: this driver only reads."""
        return False

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def close(self) -> None:
        """End after the question that is on its way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def as_status(self) -> dict[str, Any]:
        """The line and its slaves, for the status file."""
        return {
            "kind": self.kind,
            "line": self._place.device or f"{self._place.host}:{self._place.port}",
            "connected": self._reachable,
            **self.total.as_status(),
            "links": [slave.as_status() for slave in self._slaves],
        }

    def _run(self) -> None:
        client = self._client()
        pause = RECONNECT_S[0]
        try:
            while not self._stopping.is_set():
                begun = time.monotonic()
                self._reachable = bool(client.connect())
                if not self._reachable:
                    log.warning("line cannot be opened", line=self.kind, again_in_s=pause)
                    self._stopping.wait(pause)
                    pause = min(2 * pause, RECONNECT_S[1])
                    continue
                pause = RECONNECT_S[0]
                self._round(client)
                self._stopping.wait(max(self._every_s - (time.monotonic() - begun), 0))
        except JournalBroken as error:
            self.fault = error
            log.critical("journal broken, nothing is accepted any more", error=str(error))
        except Exception as error:
            self.fault = error
            log.exception("driver fails, nothing is asked any more", driver=self.kind)
        finally:
            client.close()  # type: ignore[no-untyped-call]

    def _client(self) -> ModbusTcpClient | ModbusSerialClient:
        place = self._place
        framer = FramerType.RTU if self._rtu else FramerType.SOCKET
        if place.device:
            return ModbusSerialClient(
                place.device,
                framer=framer,
                baudrate=place.baud,
                bytesize=int(place.frame[0]),
                parity=place.frame[1].upper(),
                stopbits=int(place.frame[2]),
                timeout=self._timeout_s,
                retries=0,
                trace_packet=self._seen,
            )
        return ModbusTcpClient(
            place.host,
            port=place.port,
            framer=framer,
            timeout=self._timeout_s,
            retries=0,
            trace_packet=self._seen,
        )

    def _round(self, client: ModbusTcpClient | ModbusSerialClient) -> None:
        for slave in self._slaves:
            if self._stopping.is_set():
                return
            if slave.skip:
                slave.skip -= 1
                continue
            samples = self._ask(client, slave)
            if not samples:
                continue
            try:
                self._accept(samples)
            except JournalFull as error:
                # Nobody keeps them for us: they are lost, and counted where people look.
                self._wrong(slave, "journal-full", f"{len(samples)} readings lost: {error}")
            else:
                heard = Heard(samples=samples)
                slave.counts.take(heard)
                self.total.take(heard)

    def _ask(self, client: ModbusTcpClient | ModbusSerialClient, slave: Slave) -> list[Sample]:
        """Everything that one slave says in this round."""
        samples: list[Sample] = []
        for request in slave.requests:
            try:
                words = self._words(client, slave, request)
            except (ModbusException, OSError) as error:
                self._wrong(slave, "modbus-silent", f"function {request.function}: {error}")
                slave.silent += 1
                slave.skip = min(2 ** min(slave.silent - 1, 4), PATIENT_ROUNDS) - 1
                # What comes too late must not be taken for the answer to the next question.
                with contextlib.suppress(OSError):
                    client.close()  # type: ignore[no-untyped-call]
                    self._reachable = bool(client.connect())
                return samples
            if words is None:
                continue
            at_us = slave.last_heard_us = now_us()
            slave.silent = 0
            samples += [(f"{slave.device}/{metric}", at_us, value) for metric, value in request.values(words)]
        return samples

    def _words(
        self, client: ModbusTcpClient | ModbusSerialClient, slave: Slave, request: Request
    ) -> list[int] | None:
        """The registers or bits of one answer; None where the slave refuses, which is noted."""
        asked: dict[int, Callable[..., Any]] = {
            1: client.read_coils,
            2: client.read_discrete_inputs,
            3: client.read_holding_registers,
            4: client.read_input_registers,
        }
        answer = asked[request.function](request.address, count=request.count, device_id=slave.unit)
        if answer.isError():
            number = int(answer.exception_code)
            meaning = EXCEPTIONS.get(number, "unknown")
            at = f"function {request.function}, register {request.address}, {request.count} of them"
            self._wrong(slave, f"modbus-exception-{number}", f"{at}: {meaning}")
            slave.last_heard_us, slave.silent = now_us(), 0
            return None
        for counts in (slave.counts, self.total):
            counts.frames += 1
        words = [int(each) for each in (answer.bits if request.function <= 2 else answer.registers)]  # noqa: PLR2004
        if len(words) < request.count:
            self._wrong(slave, "modbus-short", f"{len(words)} of {request.count} registers came")
        return words[: request.count]

    def _wrong(self, slave: Slave, code: str, text: str) -> None:
        heard = Heard(refused=1, notes=[Note(slave.device, code, text)])
        slave.counts.take(heard)
        self.total.take(heard)
        self._watch.note(f"{self.kind}/{slave.unit}", heard.notes[0])

    def _seen(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 -- pymodbus calls it so
        if sending:
            self.total.bytes_out += len(data)
        else:
            self.total.bytes_in += len(data)
        if capture := self._watch.capture:
            capture.write(now_us(), self.kind, ">" if sending else "<", data)
        return data
