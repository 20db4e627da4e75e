"""The hub's key: signs what gateways are told to do; they know its public half from their own file."""

from __future__ import annotations

import base64
import os
import secrets
import time
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from cityhub.settings import OperatorError
from edge.command import PREFIX, Order, sealed

SEED_BYTES = 32


def key_file(home: Path) -> Path:
    """Where the hub keeps it."""
    return home / "command.key"


def load(home: Path) -> SigningKey:
    """The hub's key; made at the first call. Whoever holds this file can command every gateway."""
    path = key_file(home)
    try:
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
        try:
            with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(secrets.token_bytes(SEED_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            pass
        seed = path.read_bytes()
    except OSError as error:
        raise OperatorError(
            f"cannot use the key {path}: {error.strerror}", "run this as the hub's user"
        ) from error
    if len(seed) != SEED_BYTES:
        raise OperatorError(f"{path} is no key", "restore it from a backup; gateways know its public half")
    return SigningKey(seed)


def public(home: Path) -> str:
    """The public half, as a gateway's file wants it under `hub_key`."""
    return base64.b64encode(bytes(load(home).verify_key)).decode()


def command(
    key: SigningKey, device: str, action: str, arguments: dict[str, Any], lives_s: float
) -> tuple[str, bytes]:
    """A signed command for one device: its id, and what goes over the wire."""
    now = time.time_ns() // 1_000_000
    order = Order(
        id=secrets.token_hex(8),
        nonce=secrets.token_hex(16),
        device=device,
        issued=now,
        expires=now + round(lives_s * 1e3),
        action=action,
        arguments=arguments,
    )
    data = order.as_bytes()
    return order.id, sealed(data, key.sign(PREFIX + data).signature)
