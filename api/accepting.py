"""Accepting: a picture is kept, a card is signed by a named engineer, and the device is commissioned; all audited."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from api import photo
from api.access import Role
from api.measuring import Card
from api.spot import Line
from governance import audit
from ingest import life

SIGNERS: tuple[Role, ...] = ("engineer", "administrator")


class AcceptingError(Exception):
    """A card that is not signed so; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Signed:
    """A card with its signature; never changed afterwards, a new one is added."""

    id: int
    card: Card
    verdict: str
    remark: str
    signed_by: str
    signed_at: datetime


def keep_photo(
    connection: psycopg.Connection[Any], actor: str, device: str, reach: int | None, body: bytes
) -> int:
    """Keep a picture of a device; raises PhotoError, AcceptingError. Returns its number."""
    picture = photo.drawn(body)
    with connection.transaction(), connection.cursor() as cursor:
        row = cursor.execute(
            """insert into device_photo (device_id, taken_by, body, sha256)
               select id, %s, %s, %s from device
               where key = %s and retired_at is null and (%s::integer is null or department_id = %s) returning id""",
            (actor, picture, photo.digest_of(picture), device, reach, reach),
        ).fetchone()
        if row is None:
            raise _unknown(device)
        audit.record(cursor, actor, "device.photo", device, "done", {"photo": row[0], "bytes": len(picture)})
    return int(row[0])


def photo_of(connection: psycopg.Connection[Any], device: str, reach: int | None) -> bytes | None:
    """The newest picture of a device within reach."""
    row = connection.execute(
        """select body from device_photo h join device d on d.id = h.device_id
           where d.key = %s and (%s::integer is null or d.department_id = %s) order by h.id desc limit 1""",
        (device, reach, reach),
    ).fetchone()
    return None if row is None else bytes(row[0])


def photo_in(connection: psycopg.Connection[Any], card: Card) -> bytes | None:
    """The picture that belongs to a card."""
    row = connection.execute("select body from device_photo where id = %s", (card.photo,)).fetchone()
    return None if row is None else bytes(row[0])


def signer(connection: psycopg.Connection[Any], name: str, device: str) -> None:
    """Make sure that this account may sign for this device; raises AcceptingError."""
    row = connection.execute(
        """select a.role, a.department_id is null or a.department_id = d.department_id
           from account a left join device d on d.key = %s where a.name = %s""",
        (device, name),
    ).fetchone()
    if row is None or row[0] not in SIGNERS or not row[1]:
        raise AcceptingError(
            f"{name} is no engineer for {device}",
            "give the name of an account with the role engineer, of this device's department or the whole city",
        )


def sign(connection: psycopg.Connection[Any], actor: str, card: Card, remark: str = "") -> Signed:
    """Keep a card with a signature and commission the device; one that fails wants a remark that says why.

    Raises AcceptingError.
    """
    if card.verdict == "fail" and not remark.strip():
        failed = ", ".join(line.what for line in card.lines if line.verdict == "fail")
        raise AcceptingError(
            f"the card fails: {failed}",
            "mend that and measure again, or sign with a remark that says why all the same",
        )
    with connection.transaction(), connection.cursor() as cursor:
        row = cursor.execute(
            """insert into acceptance (device_id, begins_at, ends_at, lines, verdict, photo_id, remark, signed_by)
               select id, %s, %s, %s, %s, %s, %s, %s from device where key = %s and retired_at is null
               returning id, signed_at""",
            (
                card.begins_at, card.ends_at, Jsonb([asdict(line) for line in card.lines]), card.verdict, card.photo,
                remark, actor, card.device,
            ),
        ).fetchone()  # fmt: skip
        if row is None:
            raise _unknown(card.device)
        _commission(connection, actor, card.device)
        audit.record(
            cursor,
            actor,
            "device.accept",
            card.device,
            "done",
            {"acceptance": row[0], "verdict": card.verdict},
        )
    return Signed(row[0], card, card.verdict, remark, actor, row[1])


def _commission(connection: psycopg.Connection[Any], actor: str, device: str) -> None:
    """The steps of life that a signature is: into service, by way of being installed."""
    row = connection.execute("select state from device where key = %s", (device,)).fetchone()
    steps: dict[str, list[life.State]] = {
        "planned": ["installed", "commissioned"],
        "installed": ["commissioned"],
        "suspended": ["commissioned"],
    }
    for to in steps.get(row[0] if row else "", []):
        life.step(connection, [device], to, who=actor, because="acceptance signed")


def last_signed(connection: psycopg.Connection[Any], device: str, reach: int | None) -> Signed | None:
    """The newest signed card of a device within reach."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            """select a.*, d.key, d.name, d.profile, p.key as department
               from acceptance a join device d on d.id = a.device_id join department p on p.id = d.department_id
               where d.key = %s and (%s::integer is null or d.department_id = %s) order by a.id desc limit 1""",
            (device, reach, reach),
        ).fetchone()
    if row is None:
        return None
    card = Card(
        row["key"], row["name"], row["department"], row["profile"], row["begins_at"], row["ends_at"],
        [Line(**line) for line in row["lines"]], row["photo_id"],
    )  # fmt: skip
    return Signed(row["id"], card, row["verdict"], row["remark"], row["signed_by"], row["signed_at"])


def _unknown(device: str) -> AcceptingError:
    return AcceptingError(
        f"there is no device {device} in service", "`cityhub device list` shows those there are"
    )
