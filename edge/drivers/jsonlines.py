"""JSON lines over TCP: sensors that can open a socket send one object a line and are told what was accepted.

A line is `{"device": "river-01", "ts": 1790000000000, "values": {"level": 3.42}}`; `ts` in epoch milliseconds may
be missing. The answer `ok N` says that the first N lines of this connection are on disk, but for those refused before
by `error N reason`, which says why.
"""

from __future__ import annotations

import re
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field

import orjson
import structlog

from edge.agent import Agent
from edge.journal import JournalBroken, JournalFull
from edge.reading import now_us

log = structlog.get_logger("edge.jsonlines")

LINE_LIMIT = 64 << 10
METRICS_LIMIT = 200
GROUP_S = 0.1  # one fsync serves all lines that arrived within this time
IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
METRIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")

Sample = tuple[str, int, float]


class LineRefused(ValueError):
    """A line that is not taken; the message goes back to the sender."""


@dataclass(slots=True, eq=False)
class Caller:
    """One connected sensor."""

    socket: socket.socket
    name: str
    buffer: bytearray = field(default_factory=bytearray)
    lines: int = 0
    told: int = 0
    speaks: bool = True


def read_line(line: bytes, arrived_us: int) -> list[Sample]:
    """The samples of one line; raises LineRefused with a reason for the person at the sensor."""
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise LineRefused(f"not JSON: {error}") from error
    if not isinstance(said, dict):
        raise LineRefused('a line is one object: {"device": ..., "values": {...}}')
    device, at, values = said.get("device"), said.get("ts"), said.get("values")
    if not (isinstance(device, str) and IDENTIFIER.fullmatch(device)):
        raise LineRefused("device must be lower-case letters, digits and hyphens, at most 64")
    if at is not None and not (type(at) is int and 0 <= at < 2**53):
        raise LineRefused("ts must be epoch milliseconds")
    if not (isinstance(values, dict) and 0 < len(values) <= METRICS_LIMIT):
        raise LineRefused(f"values must be an object of 1 to {METRICS_LIMIT} numbers")
    time_us = arrived_us if at is None else at * 1000
    samples = []
    for metric, value in values.items():
        if not METRIC.fullmatch(metric):
            raise LineRefused(f"metric {metric!r:.80} is not a name")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise LineRefused(f"{metric} must be a number")
        samples.append((f"{device}/{metric}", time_us, float(value)))
    return samples


class JsonLines:
    """A listener on one port; one thread serves all connections."""

    def __init__(self, agent: Agent, host: str = "127.0.0.1", port: int = 0) -> None:
        self._agent = agent
        self._listener = socket.create_server((host, port))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.refused = 0
        self.fault: Exception | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jsonlines", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Take what has arrived, answer, and hang up."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._serve_group()
        except JournalBroken as error:
            self.fault = error  # the agent's main thread sees it and stops the process
            log.critical("journal broken, nothing is accepted any more", error=str(error))
        except Exception as error:
            self.fault = error  # a port that takes connections and answers nobody would go unseen for days
            log.exception("driver fails, nothing is accepted any more")
        finally:
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]  # only sockets are registered
            self._selector.close()

    def _serve_group(self) -> None:
        """Read for one grouping time, make it durable with one append, then answer everybody."""
        samples: list[Sample] = []
        callers: set[Caller] = set()
        ends = time.monotonic() + GROUP_S
        while (left := ends - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                if key.fileobj is self._listener:
                    self._greet()
                else:
                    caller: Caller = key.data
                    self._hear(caller, samples)
                    callers.add(caller)
        if samples:
            try:
                self._agent.accept(samples)
            except JournalFull as error:
                # Not accepted: hang up without an answer, so that the sensors keep their lines and come back.
                log.warning("readings not accepted", reason=str(error), samples=len(samples))
                for caller in callers:
                    self._drop(caller)
                return
        for caller in callers:
            if caller.lines > caller.told:
                caller.told = caller.lines
                self._answer(caller, f"ok {caller.lines}\n")
            if not caller.speaks:
                self._drop(caller)

    def _greet(self) -> None:
        try:
            connection, (host, port, *_) = self._listener.accept()
        except OSError as error:  # it has gone again, or we have no descriptor left for it
            log.warning("sensor not let in", reason=str(error))
            self._stopping.wait(GROUP_S)
            return
        connection.setblocking(False)
        caller = Caller(connection, f"{host}:{port}")
        self._selector.register(connection, selectors.EVENT_READ, caller)

    def _hear(self, caller: Caller, samples: list[Sample]) -> None:
        try:
            data = caller.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            log.info("sensor lost", sensor=caller.name, reason=str(error))
            self._drop(caller)
            return
        if not data:  # it has said all; it may still listen for the answer
            self._silence(caller)
            return
        caller.buffer += data
        *lines, rest = caller.buffer.split(b"\n")
        caller.buffer = bytearray(rest)
        arrived_us = now_us()
        for line in lines:
            caller.lines += 1
            try:
                samples += read_line(bytes(line), arrived_us)
            except LineRefused as refusal:
                self.refused += 1
                self._answer(caller, f"error {caller.lines} {refusal}\n")
        if len(rest) > LINE_LIMIT:
            self._answer(caller, f"error {caller.lines + 1} line longer than {LINE_LIMIT} bytes\n")
            self._silence(caller)

    def _answer(self, caller: Caller, text: str) -> None:
        if caller.socket.fileno() == -1:
            return
        try:
            caller.socket.send(text.encode())
        except OSError as error:
            log.info("sensor does not listen", sensor=caller.name, reason=str(error))
            self._drop(caller)

    def _silence(self, caller: Caller) -> None:
        """Hear it no more; it is dropped when it has been answered."""
        if caller.speaks:
            caller.speaks = False
            self._selector.unregister(caller.socket)

    def _drop(self, caller: Caller) -> None:
        self._silence(caller)
        caller.socket.close()
