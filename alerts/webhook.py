"""The webhook channel: one signed POST a notice (Standard Webhooks 1.0), never to a private address unless allowed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import socket
import time
from urllib.parse import urlsplit

import httpx
import orjson

from alerts.notifier import Notice, Undelivered

TIMEOUT_S = 5.0


class Webhook:
    """Delivers notices to one address. `secret` signs `id.timestamp.body` with HMAC-SHA256."""

    def __init__(self, url: str, secret: bytes, *, allow_private: bool = False) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("a webhook's address begins with https://")
        if parts.scheme == "http" and not allow_private:
            raise ValueError("a webhook outside this network must be https://")
        self._url, self._host, self._secret, self._allow_private = url, parts.hostname, secret, allow_private
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)

    def __call__(self, notice: Notice) -> None:
        """Send one notice; raises Undelivered."""
        content = orjson.dumps({"type": f"alarm.{notice.body['kind']}", "data": notice.body})
        identity, timestamp = f"cityhub-{notice.id}", str(int(time.time()))
        address = self._resolve()
        try:
            request = self._client.build_request(
                "POST",
                httpx.URL(self._url).copy_with(host=address),
                content=content,
                headers={
                    "host": f"{self._host}:{self._port}",
                    "content-type": "application/json",
                    "webhook-id": identity,
                    "webhook-timestamp": timestamp,
                    "webhook-signature": sign(self._secret, identity, timestamp, content),
                },
                extensions={"sni_hostname": self._host},
            )
            # What it answers beyond its status is not read: it may never end, and nobody is shown it.
            response = self._client.send(request, stream=True)
            response.close()
        except httpx.HTTPError as error:
            raise Undelivered(f"{self._host}: {type(error).__name__}") from error
        if not response.is_success:
            # 4xx says that this very request will never be taken, except when it says "later".
            passing = response.status_code >= 500 or response.status_code in (408, 425, 429)  # noqa: PLR2004
            raise Undelivered(f"{self._host} answers {response.status_code}", retry=passing)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _resolve(self) -> str:
        """One address of the host, after every one of them was found public; the request goes to that very one."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Undelivered(f"{self._host} cannot be resolved") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not self._allow_private and not all(
            ipaddress.ip_address(address).is_global for address in addresses
        ):
            raise Undelivered(f"{self._host} lies in a private network, which is not allowed", retry=False)
        return addresses[0]


def sign(secret: bytes, identity: str, timestamp: str, content: bytes) -> str:
    """The signature header of Standard Webhooks, version 1."""
    signed = b".".join((identity.encode(), timestamp.encode(), content))
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
