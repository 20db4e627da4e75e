"""The machine under the hub: room on its disk, secrets that only their owner reads, its clock."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from cityhub.doctor.finding import Finding, listed

GIB = 1 << 30
FEW_BYTES, LITTLE_BYTES = 1 * GIB, 5 * GIB
SKEW_S, FAR_S = 1.0, 60.0


def disk(home: Path) -> Iterator[Finding]:
    """Room where the hub keeps what it must not lose."""
    existing = next((place for place in (home, *home.parents) if place.exists()), Path("/"))
    usage = shutil.disk_usage(existing)
    said = f"{usage.free / GIB:.1f} of {usage.total / GIB:.0f} GiB free under {home}"
    step = "make room, or shorten the keep_..._days of docs/settings.md"
    if usage.free < FEW_BYTES:
        yield Finding("disk", "fail", said, step)
    elif usage.free < LITTLE_BYTES or usage.free < usage.total * 0.05:
        yield Finding("disk", "attention", said, step)
    else:
        yield Finding("disk", "ok", said)


def secrets(home: Path) -> Iterator[Finding]:
    """Files with passwords that others on this machine may read."""
    if not home.is_dir():
        return
    open_ = [
        str(path.relative_to(home))
        for pattern in ("run/addresses.json", "*/service.json", "*.key", "*.pem")
        for path in home.glob(pattern)
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_:
        yield Finding(
            "secrets",
            "fail",
            f"others on this machine may read {listed(open_)} under {home}",
            "chmod 600 them, and change what they held",
        )
    else:
        yield Finding("secrets", "ok", f"only their owner reads the secrets under {home}")


def clock(connection: psycopg.Connection) -> Iterator[Finding]:
    """This machine's clock against the database's."""
    begun = datetime.now(UTC)
    row = connection.execute("select clock_timestamp()").fetchone()
    ended = datetime.now(UTC)
    if row is None:
        return
    apart = abs((row[0] - begun - (ended - begun) / 2).total_seconds())
    said = f"this machine and the database are {apart:.1f} s apart"
    step = "let both follow the same time server (timedatectl set-ntp true)"
    if apart > FAR_S:
        yield Finding("clock", "fail", said, step)
    elif apart > SKEW_S:
        yield Finding("clock", "attention", said, step)
    else:
        yield Finding("clock", "ok", said)
