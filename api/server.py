"""The server: one port, an orderly end on SIGTERM and SIGINT even while streams are open."""

import errno
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from api.app import build

GRACE_S = 5
PORTS = 65535


class CannotServe(Exception):
    """The address cannot be listened on; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def bound(host: str, port: int) -> socket.socket:
    """Take the port, before anything else is started; raises CannotServe."""
    # Some resolvers take a higher number modulo 65536 and would listen where nobody looks.
    if not 0 <= port <= PORTS:
        raise CannotServe(f"There is no port {port}.", f"Choose one up to {PORTS}, or 0 for any free one.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise CannotServe(
            f"There is no address {host!r}.", "Use 127.0.0.1, or a name of this machine."
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        hint = {
            errno.EADDRINUSE: "Another program listens there: stop it, or choose another port.",
            errno.EACCES: "Ports below 1024 need privileges: choose a higher one.",
            errno.EADDRNOTAVAIL: "This machine does not have that address: 127.0.0.1 is always there.",
        }.get(error.errno or 0, "Choose another host or port.")
        raise CannotServe(f"Cannot listen on {host} port {port}.", hint) from error
    return listener


class Server(uvicorn.Server):
    """Uvicorn, with streams told to end before it waits for them, and signals that just end it."""

    def __init__(self, app: FastAPI, ready: Callable[[], None] | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                # A proxy on this machine may say who its client is and that TLS ends there.
                proxy_headers=True,
                forwarded_allow_ips="127.0.0.1,::1",
                limit_concurrency=1000,
                backlog=512,
                timeout_keep_alive=20,
                timeout_graceful_shutdown=GRACE_S,
                ws="none",
                lifespan="on",
            )
        )
        self._app = app
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started and self._ready is not None:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then everything else."""
        self._app.state.feed.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGTERM and SIGINT without raising them again: having stopped is the answer."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def serve(
    database_url: str,
    host: str,
    port: int,
    *,
    secure: bool = False,
    static: Path | None = None,
    devices_at: str = "",
    public_url: str = "",
    minimum_group: int = 5,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` gets the address once requests are answered.

    Port 0 takes any free one. Raises CannotServe where the address cannot be had.
    """
    listener = bound(host, port)
    with listener:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        app = build(
            database_url,
            secure=secure,
            static=static,
            devices_at=devices_at,
            public_url=public_url or url,
            minimum_group=minimum_group,
        )
        Server(app, (lambda: ready(url)) if ready is not None else None).run(sockets=[listener])
