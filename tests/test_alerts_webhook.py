"""The webhook against a real server: signed, never private unless allowed, and it knows what to try again."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from alerts.notifier import Notice, Undelivered
from alerts.webhook import Webhook

SECRET = b"a secret of this test"
NOTICE = Notice(42, {"kind": "raised", "level": 4, "title": "Crowd density", "device": "square-1"})


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it was sent and answers what its server was told to."""

    def do_POST(self) -> None:
        """Take a notice."""
        server: Server = self.server  # type: ignore[assignment]
        content = self.rfile.read(int(self.headers["content-length"]))
        server.requests.append((self.path, dict(self.headers.items()), content))
        self.send_response(server.status)
        if 300 <= server.status < 400:
            self.send_header("location", "/elsewhere")
        self.end_headers()
        try:
            for _ in range(server.endless):
                self.wfile.write(bytes(1 << 16))
        except OSError:
            server.hung_up.set()

    do_GET = do_POST  # noqa: N815 -- the name that http.server calls, after a redirect

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A receiver on a port of its own."""

    daemon_threads = True
    requests: list[tuple[str, dict[str, str], bytes]]
    status = 200
    endless = 0
    address: ClassVar = "127.0.0.1"

    def __init__(self) -> None:
        super().__init__((self.address, 0), Receiver)
        self.requests = []
        self.hung_up = threading.Event()
        self.url = f"http://{self.address}:{self.server_port}/hooks/city?to=me"


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def hook(server: Server) -> Iterator[Webhook]:
    opened = Webhook(server.url, SECRET, allow_private=True)
    yield opened
    opened.close()


def hmac_sha256(secret: bytes, message: bytes) -> bytes:
    """As RFC 2104 writes it, without Python's hmac."""
    block = (secret if len(secret) <= 64 else hashlib.sha256(secret).digest()).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def test_a_notice_is_posted_with_a_signature_that_its_receiver_can_check(
    server: Server, hook: Webhook
) -> None:
    hook(NOTICE)
    [(path, headers, content)] = server.requests
    assert path == "/hooks/city?to=me"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{server.server_port}"
    assert json.loads(content) == {"type": "alarm.raised", "data": NOTICE.body}
    assert headers["webhook-id"] == "cityhub-42"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + content
    version, signature = headers["webhook-signature"].split(",")
    assert version == "v1"
    assert base64.b64decode(signature) == hmac_sha256(SECRET, signed)
    assert base64.b64decode(signature) != hmac_sha256(b"another secret", signed)


def test_the_notice_sent_again_carries_the_same_id(server: Server, hook: Webhook) -> None:
    hook(NOTICE)
    hook(NOTICE)
    assert [headers["webhook-id"] for _, headers, _ in server.requests] == ["cityhub-42"] * 2


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_success_is_a_delivery(server: Server, hook: Webhook, status: int) -> None:
    server.status = status
    hook(NOTICE)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "again"),
    [
        *((status, False) for status in (400, 401, 403, 404, 410, 413, 422)),
        *((status, True) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_what_the_receiver_answers_decides_whether_it_is_tried_again(
    server: Server, hook: Webhook, status: int, *, again: bool
) -> None:
    server.status = status
    with pytest.raises(Undelivered, match=f"^127.0.0.1 answers {status}$") as found:
        hook(NOTICE)
    assert found.value.retry is again
    assert len(server.requests) == 1  # trying again is the notifier's business


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server: Server, hook: Webhook, status: int) -> None:
    server.status = status
    with pytest.raises(Undelivered) as found:
        hook(NOTICE)
    assert found.value.retry is False
    assert [path for path, _, _ in server.requests] == ["/hooks/city?to=me"]


def test_an_answer_without_end_is_not_read(server: Server, hook: Webhook) -> None:
    server.endless = 4_000  # a quarter of a gigabyte
    hook(NOTICE)
    assert server.hung_up.wait(60)


def test_nobody_at_the_address_is_tried_again_later(server: Server) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        hook = Webhook(f"http://127.0.0.1:{unused.getsockname()[1]}/", SECRET, allow_private=True)
        with pytest.raises(Undelivered, match=r"^127\.0\.0\.1: ConnectError$") as found:
            hook(NOTICE)
    assert found.value.retry is True
    assert server.requests == []
    hook.close()


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Names resolve to these addresses."""

    def answer(_host: str, port: int, **_: Any) -> list[Any]:
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.1.2.3",),
        ("172.16.0.1",),
        ("192.168.1.1",),
        ("169.254.169.254",),  # where clouds tell machines their secrets
        ("100.64.0.1",),
        ("0.0.0.0",),  # noqa: S104 -- an address to refuse
        ("::1",),
        ("fd00::1",),
        ("fe80::1",),
        ("::ffff:127.0.0.1",),
        ("::ffff:10.0.0.1",),
        ("93.184.215.14", "127.0.0.1"),  # one address of several is enough to refuse
        ("2606:2800:21f::1", "::1"),
    ],
)
def test_a_private_address_is_refused_unless_it_is_allowed(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    hook = Webhook("https://hooks.example.org/city", SECRET)
    monkeypatch.setattr(hook._client, "send", lambda *_, **__: pytest.fail("it was sent"))
    resolving(monkeypatch, *addresses)
    with pytest.raises(Undelivered, match="hooks.example.org lies in a private network") as found:  # noqa: RUF043 -- a name
        hook(NOTICE)
    assert found.value.retry is False
    hook.close()


def test_the_request_goes_to_the_very_address_that_was_looked_at(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Were the name resolved a second time, it could have another address by then.
    hook = Webhook(f"http://rebinding.example.org:{server.server_port}/x", SECRET, allow_private=True)
    lookups = []
    real = socket.getaddrinfo

    def answer(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        lookups.append(host)
        return real("127.0.0.1" if host == "rebinding.example.org" else host, port, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    hook(NOTICE)
    assert lookups.count("rebinding.example.org") == 1
    [(_, headers, _)] = server.requests
    assert headers["host"] == f"rebinding.example.org:{server.server_port}"
    hook.close()


def test_a_name_that_cannot_be_resolved_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = Webhook("https://hooks.example.org/city", SECRET)

    def fails(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(Undelivered, match=r"^hooks\.example\.org cannot be resolved$") as found:
        hook(NOTICE)
    assert found.value.retry is True
    hook.close()


@pytest.mark.parametrize(
    "url", ["", "hooks.example.org", "ftp://example.org/", "https://", "file:///etc/passwd"]
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="begins with https://"):
        Webhook(url, SECRET)


def test_plain_http_is_for_private_networks_only() -> None:
    with pytest.raises(ValueError, match="must be https://"):
        Webhook("http://hooks.example.org/", SECRET)
