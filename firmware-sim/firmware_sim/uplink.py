"""The uplink: one TCP connection to the gateway, made again whenever it breaks."""

from __future__ import annotations

import select
import socket
import sys
import time
from random import Random
from typing import TYPE_CHECKING

from firmware_sim.wire import WireError, answer

if TYPE_CHECKING:
    from firmware_sim.backlog import Backlog

CONNECT_S = 3.0
FIRST_RETRY_S = 0.2
LAST_RETRY_S = 5.0
# A gateway that holds lines this long without a word is gone, whatever TCP believes.
SILENCE_S = 30.0
MAX_ANSWER = 4096


class Uplink:
    """Brings a backlog to a gateway. One thread drives it by calling `work` again and again."""

    def __init__(self, host: str, port: int, backlog: Backlog, seed: int = 0) -> None:
        self.host, self.port, self.backlog = host, port, backlog
        self.refusals: list[str] = []  # the last few reasons, for the operator
        self._chance = Random(f"{seed}/uplink")  # noqa: S311 - jitter, not secrets
        self._socket: socket.socket | None = None
        self._outgoing = b""
        self._incoming = b""
        self._retry_at = 0.0
        self._retry_s = FIRST_RETRY_S
        self._heard_at = 0.0

    def work(self, wait_s: float) -> None:
        """Connect, send and listen, for at most `wait_s` seconds (a try to connect takes up to `CONNECT_S`)."""
        now = time.monotonic()
        if self._socket is None and now < self._retry_at:
            time.sleep(min(wait_s, self._retry_at - now))
            return
        try:
            if self._socket is None:
                self._socket = self._connected()
            self._exchange(self._socket, wait_s)
        except (OSError, WireError) as error:
            self._lost(error)

    def offer(self, line: bytes) -> None:
        """Take a line, or count it as dropped."""
        self.backlog.offer(line)

    @property
    def full(self) -> bool:
        """Whether the next line would be dropped."""
        return self.backlog.full

    @property
    def waiting(self) -> int:
        """Lines that are not settled yet."""
        return self.backlog.waiting

    def close(self) -> None:
        """End the connection; the backlog keeps what it has."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        made = socket.create_connection((self.host, self.port), timeout=CONNECT_S)
        made.setblocking(False)
        # A sample goes out when it is taken, not with the next one.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heard_at = time.monotonic()
        print(f"connected to {self.host}:{self.port}", file=sys.stderr)  # noqa: T201 - a command's output
        return made

    def _exchange(self, link: socket.socket, wait_s: float) -> None:
        quiet = self.backlog.unanswered == 0
        if not self._outgoing:
            self._outgoing = self.backlog.take()
        readable, writable, _ = select.select([link], [link] if self._outgoing else [], [], wait_s)
        now = time.monotonic()
        if quiet:
            self._heard_at = now
        if readable:
            self._listen(link)
            self._heard_at = now
        if writable:
            self._outgoing = self._outgoing[link.send(self._outgoing) :]
        if now - self._heard_at > SILENCE_S:
            raise TimeoutError(f"no answer for {SILENCE_S:.0f} s")

    def _listen(self, link: socket.socket) -> None:
        received = link.recv(65536)
        if not received:
            raise ConnectionResetError("the gateway closed the connection")
        *lines, self._incoming = (self._incoming + received).split(b"\n")
        if len(self._incoming) > MAX_ANSWER:
            raise WireError("the gateway's answer does not end")
        for line in lines:
            said = answer(line)
            if said.accepted:
                self.backlog.acknowledge(said.number)
            else:
                self.backlog.refuse(said.number)
                self.refusals = [*self.refusals[-4:], said.reason]
            # Only an answer shows that the gateway works: one that accepts and cuts is backed off from, too.
            self._retry_s = FIRST_RETRY_S

    def _lost(self, error: Exception) -> None:
        self.close()
        self._outgoing = self._incoming = b""
        self.backlog.rewind()
        # Jitter, so that a street of devices does not return in one wave after a power cut.
        pause = self._retry_s * self._chance.uniform(0.5, 1.5)
        self._retry_at = time.monotonic() + pause
        self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)
        print(  # noqa: T201 - a command's output
            f"no gateway at {self.host}:{self.port} ({error}); trying again in {pause:.1f} s", file=sys.stderr
        )
