"""A TCP proxy that fails on command: cut, stall, one-way silence, reset in mid-packet, an answer that is lost."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

Way = Literal["up", "down"]
"""`up`: from the client to the server."""

GREETING = 200


class Link:
    """One connection through the proxy."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.muted: set[Way] = set()
        self.greeting = b""  # how the client introduced itself
        self.left_behind = False  # the server believes that all is well

    def end(self, *, reset: bool) -> None:
        """Close both sides, with a reset or as one who says goodbye."""
        for side in (self.client,) if self.left_behind else (self.client, self.server):
            with suppress(OSError):
                if reset:  # lingering for zero seconds sends RST
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                side.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                side.close()


class Proxy:
    """Stands before one server. Faults of standing links stay with them; what connects later is sound."""

    def __init__(self, host: str, port: int, listener: socket.socket | None = None) -> None:
        self._target = host, port
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self._address = self._listener.getsockname()
        self._lock = threading.Lock()
        self._links: list[Link] = []
        self._flows = threading.Event()
        self._flows.set()
        self._open = True
        self._fuse: dict[Way, int] = {}
        self._traps: dict[Way, list[tuple[bytes, bytes]]] = {"up": [], "down": []}
        self._behind: list[socket.socket] = []
        self.sprung = 0  # traps that caught something
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def url(self, url: str) -> str:
        """An address of the server, changed so that it leads through here."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@{self._address[0]}:{self._address[1]}"))

    def cut(self) -> None:
        """Reset every link and hang up on whoever connects, until `heal`."""
        self._open = False
        self.reset()

    def stall(self) -> None:
        """Pass nothing on, lose nothing, say nothing, until `heal`."""
        self._flows.clear()

    def heal(self) -> None:
        """Pass on again."""
        self._open = True
        self._flows.set()

    def silence(self, *ways: Way) -> None:
        """Swallow what the standing links carry these ways, for ever: a router that has forgotten them."""
        with self._lock:
            for link in self._links:
                link.muted.update(ways)

    def reset(self) -> None:
        """Reset every link; whoever connects again is served."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.end(reset=True)

    def reset_after(self, way: Way, octets: int) -> None:
        """Reset the link that carries this many more octets this way, wherever in a packet that is."""
        self._fuse[way] = octets

    def lose_answer(self, pattern: bytes, of: bytes) -> None:
        """Reset a link just before it would carry this down: done, and nobody was told. Once.

        `of` is in what the client introduced itself with.
        """
        self._traps["down"].append((pattern, of))

    def leave_behind(self, pattern: bytes, of: bytes) -> None:
        """After this was carried up the client's side breaks, and the server is told nothing of it. Once."""
        self._traps["up"].append((pattern, of))

    def close(self) -> None:
        """End everything."""
        self._open = False
        self._flows.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()
        for server in self._behind:
            server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._open:
                client.close()
                continue
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            link = Link(client, server)
            with self._lock:
                self._links.append(link)
            for way, source, sink in (("up", client, server), ("down", server, client)):
                threading.Thread(target=self._pump, args=(link, way, source, sink), daemon=True).start()

    def _pump(self, link: Link, way: Way, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._flows.wait()
                if way in link.muted:
                    continue
                if self._springs(link, way, data):
                    if way == "up":
                        sink.sendall(data)
                        link.left_behind = True
                        self._behind.append(sink)
                    break
                left = self._fuse.get(way)
                if left is not None and left < len(data):
                    del self._fuse[way]
                    sink.sendall(data[:left])
                    break
                if left is not None:
                    self._fuse[way] = left - len(data)
                sink.sendall(data)
            else:
                sink.shutdown(socket.SHUT_WR)
                return
        link.end(reset=True)
        with self._lock, suppress(ValueError):
            self._links.remove(link)

    def _springs(self, link: Link, way: Way, data: bytes) -> bool:
        if way == "up" and len(link.greeting) < GREETING:
            link.greeting += data
        for pattern, of in self._traps[way]:
            if pattern in data and of in link.greeting:
                self._traps[way].remove((pattern, of))
                self.sprung += 1
                return True
        return False


@contextmanager
def before(url: str, listener: socket.socket | None = None) -> Iterator[Proxy]:
    """A proxy before the server of this address; it listens here, or where the given socket does."""
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise ValueError("an address needs host and port")
    proxy = Proxy(parts.hostname, parts.port, listener)
    try:
        yield proxy
    finally:
        proxy.close()
