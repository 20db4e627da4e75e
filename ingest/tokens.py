"""Enrolment tokens: what a person carries to a device, used once and within minutes; only digests are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token speaks for, and whether it may."""

    device: str
    department: str
    profile: str
    gateway: str | None
    why_not: str
    """`used`, `over` or `retired`; empty where it may be used."""


def add(
    cursor: psycopg.Cursor[Any], digest: bytes, device_id: int, created_by: str, life: timedelta
) -> datetime:
    """Keep a token for a device, whose unused ones are withdrawn; returns when it expires.

    The caller holds the device's row locked, so that its tokens are made one by one.
    """
    withdraw(cursor, device_id)
    row = cursor.execute(
        """insert into enrolment_token (digest, device_id, created_by, expires_at)
           values (%s, %s, %s, now() + %s) returning expires_at""",
        (digest, device_id, created_by, life),
    ).fetchone()
    if row is None:
        raise RuntimeError("an insert that returned nothing")
    expires_at: datetime = row[0]
    return expires_at


def withdraw(cursor: psycopg.Cursor[Any], device_id: int) -> None:
    """Withdraw what tokens of a device were not used yet."""
    cursor.execute(
        "update enrolment_token set withdrawn = true where device_id = %s and used_at is null", (device_id,)
    )


def claim(cursor: psycopg.Cursor[Any], digest: bytes) -> Claim | None:
    """Look at a token and, where it may be used, use it up; None where there is none."""
    row = cursor.execute(
        """select device.key, used_at is not null, withdrawn or expires_at <= now(), device.retired_at is not null,
                  department.key, device.profile, gateway.key
           from enrolment_token join device on device.id = enrolment_token.device_id
                join department on department.id = device.department_id
                left join device gateway on gateway.id = device.gateway_id
           where digest = %s for update of enrolment_token""",
        (digest,),
    ).fetchone()
    if row is None:
        return None
    device, used, over, retired, department, profile, gateway = row
    why_not = "used" if used else "over" if over else "retired" if retired else ""
    if not why_not:
        cursor.execute("update enrolment_token set used_at = now() where digest = %s", (digest,))
    return Claim(device, department, profile, gateway, why_not)
