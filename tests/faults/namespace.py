"""A network of its own behind a cable that can be pulled: what is sent then gets no answer at all, not even a refusal."""

from __future__ import annotations

import ctypes
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CLONE_NEWNET = 0x40000000


class Cable:
    """Leads into the other network; `listener` is a socket there, everybody else is here."""

    def __init__(self, name: str, address: str) -> None:
        self._name = name
        self.address = address
        self.listener = self._listen()

    def pull(self) -> None:
        """Silence: no reset, no refusal, nothing."""
        ip("netns", "exec", self._name, "ip", "link", "set", f"{self._name}b", "down")

    def plug(self) -> None:
        """As before."""
        ip("netns", "exec", self._name, "ip", "link", "set", f"{self._name}b", "up")

    def _listen(self) -> socket.socket:
        made: list[socket.socket] = []

        def there() -> None:  # a thread's network is its own; a socket keeps the one that it was made in
            descriptor = os.open(Path("/run/netns") / self._name, os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) == 0:
                    made.append(socket.create_server((self.address, 0)))
            finally:
                os.close(descriptor)

        thread = threading.Thread(target=there)
        thread.start()
        thread.join()
        if not made:
            pytest.skip("no socket can be made in another network here")
        return made[0]


def ip(*arguments: str) -> None:
    """Run the command `ip`; where that is not allowed, the test is skipped."""
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("the command ip is not installed")
    if done.returncode != 0:
        pytest.skip(f"no network can be made here: {done.stderr.strip()}")


@contextmanager
def cable() -> Iterator[Cable]:
    """Another network, one cable away."""
    if os.geteuid() != 0:
        pytest.skip("only root can make the network that this test cuts off")
    name = f"ch{secrets.token_hex(4)}"
    near = f"10.213.{secrets.randbelow(250)}.1"
    far = near[:-1] + "2"
    ip("netns", "add", name)
    try:
        ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name)
        ip("addr", "add", f"{near}/30", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip("netns", "exec", name, "ip", "addr", "add", f"{far}/30", "dev", f"{name}b")
        ip("netns", "exec", name, "ip", "link", "set", f"{name}b", "up")
        made = Cable(name, far)
        yield made
        made.listener.close()
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
