"""Enrolling: a device is registered, gets a token, and with the token its credential; every deed audited.

Synchronous, for the command line and for a thread of the API. None of it is told in a log, and no secret is kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg

from api.access import digest
from geo.locate import Locator
from geo.table import polygons
from governance import audit
from ingest import credentials, enrolment, life, lists, stands, tokens
from ingest.credentials import Issued
from ingest.enrolment import Entry
from ingest.registry import HUB

TOKEN_BYTES = 16
TOKEN_LIFE = timedelta(minutes=10)


class EnrollingError(Exception):
    """A device cannot be enrolled so; `hint` says what to try, `kind` what it is about."""

    def __init__(self, message: str, hint: str, kind: str = "conflict") -> None:
        super().__init__(message)
        self.hint, self.kind = hint, kind


@dataclass(frozen=True, slots=True)
class Token:
    """What a person carries to the device; shown once."""

    device: str
    secret: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a token was exchanged for."""

    device: str
    department: str
    profile: str
    gateway: str | None
    issued: Issued


def register(
    connection: psycopg.Connection[Any], actor: str, entry: Entry, *, reach: int | None = None
) -> None:
    """Put a new device into the registry, in the department that the actor is held to.

    Raises EnrollingError, and ingest.enrolment.EnrolmentError where it points at something unknown.
    """
    with connection.transaction(), connection.cursor() as cursor:
        # Two engineers with the same id at the same moment: the second must not become a change of the first.
        lists.lock(connection)
        if cursor.execute("select 1 from device where key = %s", (entry.key,)).fetchone():
            raise EnrollingError(
                f"{entry.key} is registered already",
                "choose another id, ask for a new token for it, or correct it with a list of one row",
            )
        owner = cursor.execute("select id from department where key = %s", (entry.department,)).fetchone()
        if reach is not None and (owner is None or owner[0] != reach):
            raise EnrollingError("devices are registered in the own department only", "", "department")
        life.sign(cursor, actor, "registered on the spot")
        enrolment.enrol(connection, [entry])
        fresh = cursor.execute("select id from device where key = %s", (entry.key,)).fetchone()
        if fresh is None:
            raise RuntimeError("a device that was enrolled and is not there")
        # Until its card is signed its readings are stored and page nobody.
        life.install(cursor, fresh[0])
        if entry.lon is not None and entry.lat is not None:
            _place(cursor, fresh[0], entry.lon, entry.lat)
        audit.record(
            cursor, actor, "device.new", entry.key, "done",
            {"department": entry.department, "profile": entry.profile, "gateway": entry.gateway},
        )  # fmt: skip


def token_for(
    connection: psycopg.Connection[Any], actor: str, device: str, *, reach: int | None = None
) -> Token:
    """Make a token for a device in service; one that was not used yet is withdrawn. Raises EnrollingError."""
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    with connection.transaction(), connection.cursor() as cursor:
        owned = _owned(cursor, device, reach)
        expires_at = tokens.add(cursor, digest(secret), owned, actor, TOKEN_LIFE)
        audit.record(cursor, actor, "enrolment.token", device, "done")
    return Token(device, secret, expires_at)


def redeem(connection: psycopg.Connection[Any], secret: str) -> Enrolled | None:
    """Exchange a token for its device's credential, once; None where it opens nothing.

    An attempt with a token that is known, but used, withdrawn or too old, is written into the audit.
    """
    with connection.transaction(), connection.cursor() as cursor:
        claim = tokens.claim(cursor, digest(secret))
        if claim is None:
            return None
        device = claim.device
        if claim.why_not:
            audit.record(cursor, device, "enrolment.redeem", device, "denied", {"token": claim.why_not})
            return None
        issued = credentials.issue(connection, device, device)
        audit.record(cursor, device, "enrolment.redeem", device, "done", {"credential": issued.id})
    return Enrolled(device, claim.department, claim.profile, claim.gateway, issued)


def issue(
    connection: psycopg.Connection[Any], device: str, actor: str, *, reach: int | None = None
) -> tuple[Issued, str]:
    """Make a credential directly, without a token; returns it with the device's department."""
    with connection.transaction(), connection.cursor() as cursor:
        _owned(cursor, device, reach)
        issued = credentials.issue(connection, device, actor)
        audit.record(cursor, actor, "credential.issue", device, "done", {"credential": issued.id})
    return issued, issued.user.partition("/")[0]


def revoke(
    connection: psycopg.Connection[Any], actor: str, device: str, *, reach: int | None = None
) -> list[int]:
    """Take a device's credential back, and what tokens it may have; the broker throws it out."""
    with connection.transaction(), connection.cursor() as cursor:
        owned = _owned(cursor, device, reach, retired=True)
        tokens.withdraw(cursor, owned)
        gone = credentials.revoke(connection, device)
        audit.record(cursor, actor, "credential.revoke", device, "done", {"revoked": len(gone)})
    return gone


def _place(cursor: psycopg.Cursor[Any], device_id: int, lon: float, lat: float) -> None:
    """Put one new device into the zones that it stands in."""
    zone_ids, shapes = polygons(cursor, [lon], [lat])
    if shapes:
        _, found = Locator(shapes).locate(np.array([lon]), np.array([lat]))  # type: ignore[arg-type]  # the table holds polygons
        stands.put(cursor, [device_id] * len(found), [zone_ids[place] for place in found])


def issue_source(
    connection: psycopg.Connection[Any],
    actor: str,
    name: str,
    department: str,
    writes: Sequence[str],
    reads: Sequence[str],
) -> Issued:
    """Make a credential for a platform with topics of its own."""
    with connection.transaction(), connection.cursor() as cursor:
        issued = credentials.issue_source(connection, name, department, writes, reads, actor)
        detail = {"department": department, "writes": " ".join(writes), "reads": " ".join(reads)}
        audit.record(cursor, actor, "source.issue", name, "done", detail)
    return issued


def revoke_source(connection: psycopg.Connection[Any], actor: str, name: str) -> list[int]:
    """Take a platform's credential back."""
    with connection.transaction(), connection.cursor() as cursor:
        gone = credentials.revoke_source(connection, name)
        audit.record(cursor, actor, "source.revoke", name, "done", {"revoked": len(gone)})
    return gone


def _owned(cursor: psycopg.Cursor[Any], device: str, reach: int | None, *, retired: bool = False) -> int:
    """The id of a device within reach, locked so that its tokens are made one by one; what is out of reach is not there.

    The hub itself is none: it needs no credential, and nobody may have one in its name.
    """
    row = cursor.execute(
        """select id from device where key = %s and key <> %s and (%s or retired_at is null)
             and (%s::integer is null or department_id = %s) for no key update""",
        (device, HUB, retired, reach, reach),
    ).fetchone()
    if row is None:
        raise EnrollingError(
            f"there is no device {device} in service",
            "`cityhub device list` shows those there are",
            "unknown",
        )
    return int(row[0])
