"""A TCP connection of its own for each station, thousands of them in one thread, made again when they break."""

from __future__ import annotations

import contextlib
import errno
import resource
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from firmware_sim.stations.outbox import Outbox

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0
CONNECTS_AT_ONCE = 100
SWEEP_S = 0.5  # every station is looked at this often, for repeats and signs of life


class Post(Protocol):
    """A station's firmware as its link sees it."""

    outbox: Outbox
    hang_up: bool

    def outgoing(self, now: float, true_s: float) -> bytes:
        """Bytes to send now."""

    def heard(self, data: bytes, true_s: float) -> None:
        """Bytes that came."""


@dataclass(slots=True)
class Line:
    """One station's connection."""

    name: str
    post: Post
    address: tuple[str, int]
    up: Callable[[], bool]
    cuts: bool = False  # deviation h: bytes come in pieces that are no frames
    socket: socket.socket | None = None
    ready: bool = False
    unsent: bytes = b""
    retry_at: float = 0.0
    retry_s: float = FIRST_RETRY_S
    next_look: float = field(default=0.0)


class Lines:
    """All connections of stations that call the hub."""

    def __init__(self, seed: int) -> None:
        self.lines: dict[str, Line] = {}
        self.connects = 0
        self.breaks = 0
        self._chance = Random(f"{seed}/lines")  # noqa: S311 - jitter, not secrets
        self._selector = selectors.DefaultSelector()
        self._awake: set[str] = set()
        self._swept: list[str] = []
        self._place = 0
        self._swept_at = 0.0

    def add(self, line: Line) -> None:
        """One more station."""
        if not self.lines:
            _allow_many_files()
        self.lines[line.name] = line
        self._swept.append(line.name)

    def wake(self, name: str) -> None:
        """A station has something to say."""
        self._awake.add(name)

    def work(self, wait_s: float, now: float, true_s: float) -> None:
        """Connect, send and hear, for at most so long."""
        self._sweep(now)
        connects = 0
        for name in sorted(self._awake)[:2000]:
            line = self.lines[name]
            if line.socket is not None and not line.up():
                self._lost(line, now)
            if line.socket is None and connects < CONNECTS_AT_ONCE:
                connects += self._connect(line, now)
            if line.ready:
                self._say(line, now, true_s)
            if not (line.cuts and line.unsent) and (
                line.socket is not None or line.retry_at > now or not line.up()
            ):
                self._awake.discard(name)
        for key, events in self._selector.select(wait_s) if self._selector.get_map() else ():
            line = key.data
            if events & selectors.EVENT_WRITE:
                self._writable(line, now, true_s)
            if events & selectors.EVENT_READ and line.socket is not None:
                self._readable(line, now, true_s)

    def _sweep(self, now: float) -> None:
        """Look at a share of all stations, so that each is looked at every half second."""
        if not self._swept:
            return
        share = min((now - self._swept_at) / SWEEP_S, 1.0)
        count = int(share * len(self._swept)) or (1 if share >= 1 else 0)
        if count:
            self._swept_at = now
        for _ in range(count):
            self._place = (self._place + 1) % len(self._swept)
            line = self.lines[self._swept[self._place]]
            if line.socket is not None and not line.up():
                self._lost(line, now)
            elif line.ready or line.post.outbox.waiting:
                self._awake.add(line.name)

    def _connect(self, line: Line, now: float) -> int:
        if now < line.retry_at or not line.up() or line.post.outbox.left_the_line(now):
            return 0
        made = socket.socket(socket.AF_INET6 if ":" in line.address[0] else socket.AF_INET)
        made.setblocking(False)
        code = made.connect_ex(line.address)
        if code not in (0, errno.EINPROGRESS):
            made.close()
            self._later(line, now)
            return 1
        line.socket = made
        self.connects += 1
        self._selector.register(made, selectors.EVENT_READ | selectors.EVENT_WRITE, line)
        return 1

    def _writable(self, line: Line, now: float, true_s: float) -> None:
        link = line.socket
        if link is None:
            return
        if not line.ready:
            if link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._lost(line, now)
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.ready = True
            line.post.outbox.link_made()
        self._say(line, now, true_s)

    def _say(self, line: Line, now: float, true_s: float) -> None:
        if line.socket is None:
            return
        line.unsent += line.post.outgoing(now, true_s)
        if line.unsent:
            size = self._chance.randrange(1, 40) if line.cuts else len(line.unsent)
            try:
                line.unsent = line.unsent[line.socket.send(line.unsent[:size]) :]
            except BlockingIOError:
                pass
            except OSError:
                self._lost(line, now)
                return
        # What is cut goes on at the next turn, not at once: the network would put it together again.
        more = line.unsent and not line.cuts
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if more else 0)
        if self._selector.get_key(line.socket).events != wanted:
            self._selector.modify(line.socket, wanted, line)
        if not line.unsent and line.post.outbox.left_the_line(now):
            # Three tries without an answer: the station leaves the line (SL 651, 6.3.2.3).
            self._lost(line, now)

    def _readable(self, line: Line, now: float, true_s: float) -> None:
        link = line.socket
        if link is None:
            return
        try:
            received = link.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._lost(line, now)
            return
        line.retry_s = FIRST_RETRY_S
        line.post.heard(received, true_s)
        if line.post.hang_up:
            line.post.hang_up = False
            self._end(line)
            return
        self._say(line, now, true_s)

    def _end(self, line: Line) -> None:
        if line.socket is not None:
            self._selector.unregister(line.socket)
            line.socket.close()
        line.socket, line.ready, line.unsent = None, False, b""
        lost = getattr(line.post, "link_lost", None)
        if lost:
            lost()

    def _lost(self, line: Line, now: float) -> None:
        if line.ready:
            self.breaks += 1
        self._end(line)
        line.post.outbox.link_lost()
        self._later(line, now)

    def _later(self, line: Line, now: float) -> None:
        line.retry_at = now + line.retry_s * self._chance.uniform(0.5, 1.5)
        line.retry_s = min(line.retry_s * 2, LAST_RETRY_S)

    @property
    def waiting(self) -> int:
        """Messages that are not acknowledged."""
        return sum(line.post.outbox.waiting for line in self.lines.values())

    def close(self) -> None:
        """End all connections."""
        for line in self.lines.values():
            self._end(line)
        self._selector.close()


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
