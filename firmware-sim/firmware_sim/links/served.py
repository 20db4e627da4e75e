"""Doors that the hub knocks at: a Modbus slave, and a bridge to a line of SDI-12 sensors."""

from __future__ import annotations

import selectors
import socket
from typing import Protocol


class Answering(Protocol):
    """A device that answers: takes a stream, gives answers and what is left of it."""

    def take(self, waiting: bytes) -> tuple[bytes, bytes]:
        """Answer what is whole (raises `ValueError`: the link is of no use)."""


class Doors:
    """Listening sockets and who came in."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self._selector = selectors.DefaultSelector()
        self._waiting: dict[socket.socket, bytes] = {}

    def open(self, kind: str, host: str, port: int, device: Answering) -> None:
        """Listen (raises `OSError`)."""
        door = socket.create_server((host, port), backlog=16)
        door.setblocking(False)
        self.ports[kind] = door.getsockname()[1]
        self._selector.register(door, selectors.EVENT_READ, (True, device))

    def work(self, wait_s: float) -> None:
        """Let in and answer."""
        if not self._selector.get_map():
            return
        for key, _ in self._selector.select(wait_s):
            is_door, device = key.data
            link = key.fileobj
            assert isinstance(link, socket.socket)  # noqa: S101 - only sockets are registered
            if is_door:
                came, _ = link.accept()
                came.setblocking(False)
                self._selector.register(came, selectors.EVENT_READ, (False, device))
                self._waiting[came] = b""
            else:
                self._answer(link, device)

    def _answer(self, link: socket.socket, device: Answering) -> None:
        try:
            received = link.recv(4096)
            if received:
                answers, self._waiting[link] = device.take(self._waiting[link] + received)
                link.sendall(answers)
                return
        except (OSError, ValueError):
            pass
        self._selector.unregister(link)
        del self._waiting[link]
        link.close()

    def close(self) -> None:
        """Shut all doors."""
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)  # noqa: S101 - only sockets are registered
            key.fileobj.close()
        self._selector.close()
