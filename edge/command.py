"""Commands from the hub: signed, for this device only, expiring, and obeyed at most once, also across a restart.

On the wire: `{"command": BASE64, "signature": BASE64}`. The signature is Ed25519 over `PREFIX` and the command's bytes;
those are JSON: `{"id","nonce","device","issued","expires","action","arguments"}`, times in ms since 1970.
"""

from __future__ import annotations

import base64
import binascii
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from edge import clock

PREFIX = b"cityhub command 1\n"  # what is signed for another purpose is no command
PAYLOAD_BYTES = 256 << 10
LONGEST_MS = 3_600_000  # a command that lives longer could be kept back and sent when it does harm
AHEAD_MS = 60_000  # the hub's clock and ours differ by so much at most
KEPT_MS = 86_400_000
NONCES = 10_000
WORD = 64


class CommandRefused(Exception):
    """It is not obeyed: `code` names why in one word, the message in a sentence; `id` where it could be read."""

    def __init__(self, code: str, message: str, id_: str = "") -> None:
        super().__init__(message)
        self.code, self.id = code, id_


@dataclass(frozen=True, slots=True)
class Order:
    """A command that may be obeyed."""

    id: str
    nonce: str
    device: str
    issued: int
    expires: int
    action: str
    arguments: dict[str, Any]

    def as_bytes(self) -> bytes:
        """What is signed, after PREFIX."""
        return orjson.dumps(self)


def sealed(command: bytes, signature: bytes) -> bytes:
    """The wire form of a signed command."""
    return orjson.dumps(
        {"command": base64.b64encode(command).decode(), "signature": base64.b64encode(signature).decode()}
    )


class Guard:
    """Decides what is obeyed. `memory` is the file that remembers what was, so that a replay finds it after a restart."""

    def __init__(self, device: str, hub_key: bytes, memory: Path) -> None:
        """`hub_key`: 32 bytes. Raises OSError or ValueError where the memory is there and cannot be read."""
        self._device, self._key, self._memory = device, hub_key, memory
        self._seen: dict[str, int] = {}  # nonce -> when it expires
        self._floor = 0  # commands that expired by then are forgotten, so none of them is obeyed any more
        if memory.exists():
            kept = orjson.loads(memory.read_bytes())
            self._floor, self._seen = int(kept["floor"]), dict(kept["seen"])

    def open(self, payload: bytes, now_ms: int) -> Order:
        """The order in a payload, remembered on disk when this returns; raises CommandRefused, or OSError of the disk."""
        order = self._read(self._signed(payload))
        if order.device != self._device:
            raise CommandRefused(
                "wrong-device", f"this is for {order.device}, we are {self._device}", order.id
            )
        self._in_time(order, now_ms)
        if order.nonce in self._seen:
            raise CommandRefused("replayed", "this nonce was used before", order.id)
        if order.expires <= self._floor:
            raise CommandRefused("replayed", "this is older than what is remembered here", order.id)
        self._remember(order, now_ms)
        return order

    def _signed(self, payload: bytes) -> bytes:
        """The command's bytes, if the hub has signed them."""
        # Comes with the extra "edge"; a gateway that takes no commands does not need it.
        from nacl.exceptions import BadSignatureError  # noqa: PLC0415
        from nacl.signing import VerifyKey  # noqa: PLC0415

        if len(payload) > PAYLOAD_BYTES:
            raise CommandRefused("malformed", f"{len(payload)} bytes, at most {PAYLOAD_BYTES}")
        try:
            envelope = orjson.loads(payload)
            command = base64.b64decode(envelope["command"], validate=True)
            signature = base64.b64decode(envelope["signature"], validate=True)
        except (ValueError, TypeError, KeyError, binascii.Error) as error:
            raise CommandRefused("malformed", 'wanted: {"command": BASE64, "signature": BASE64}') from error
        try:
            VerifyKey(self._key).verify(PREFIX + command, signature)
        except (BadSignatureError, ValueError) as error:  # ValueError: not 64 bytes
            raise CommandRefused("wrong-signature", "the hub that we know has not signed this") from error
        return command

    @staticmethod
    def _read(command: bytes) -> Order:
        try:
            said = orjson.loads(command)
            order = Order(**said)
        except (ValueError, TypeError) as error:
            raise CommandRefused("malformed", "signed, but no command") from error
        words = (order.id, order.nonce, order.device, order.action)
        if not (
            all(isinstance(word, str) and 0 < len(word) <= WORD for word in words)
            and type(order.issued) is type(order.expires) is int
            and isinstance(order.arguments, dict)
        ):
            raise CommandRefused("malformed", "signed, but no command")
        return order

    @staticmethod
    def _in_time(order: Order, now_ms: int) -> None:
        if order.expires - order.issued > LONGEST_MS or order.expires <= order.issued:
            raise CommandRefused(
                "too-long-lived",
                f"it lives {(order.expires - order.issued) / 1e3:g} s, at most an hour",
                order.id,
            )
        unsure = "" if clock.ask().synchronised else "; our clock is not synchronised and may be wrong"
        if order.expires <= now_ms:
            late = (now_ms - order.expires) / 1e3
            raise CommandRefused("expired", f"it expired {late:g} s ago by our clock{unsure}", order.id)
        if order.issued > now_ms + AHEAD_MS:
            early = (order.issued - now_ms) / 1e3
            raise CommandRefused("not-yet", f"it was issued {early:g} s in our future{unsure}", order.id)

    def _remember(self, order: Order, now_ms: int) -> None:
        seen = {**self._seen, order.nonce: order.expires}
        old = [nonce for nonce, expires in seen.items() if expires < now_ms - KEPT_MS]
        if len(seen) - len(old) > NONCES:
            # More than any hub sends in a day. Forgetting the oldest would let them be obeyed again, so none is obeyed.
            raise CommandRefused("too-many", "too many commands in one day", order.id)
        floor = max([self._floor, *(seen.pop(nonce) for nonce in old)])
        write_durably(self._memory, orjson.dumps({"floor": floor, "seen": seen}))
        self._floor, self._seen = floor, seen


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file whole: after a power cut it is the old one or the new one. Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    with open(new, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
