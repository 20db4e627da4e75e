"""Credentials: who may connect to the broker and speak for which topics; only hashes of the secrets are kept."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bcrypt
import psycopg
from psycopg.rows import dict_row

CHANNEL = "cityhub_access"
"""Notified with every change of a credential; a change of the registry is told on cityhub_registry."""

# The secret is random and of 128 bits: rounds that slow a guesser down would only slow a reload down.
PBKDF2_ROUNDS, BCRYPT_COST = 101, 4
SECRET_BYTES = 16

PUBLISHED = ("telemetry", "event", "position", "status", "reply")
READ = ("committed", "command")

RESERVED = frozenset({"hub", "field", "gatekeeper"})
"""Users that the private broker has already; a second one of the name would keep it from reading any."""

MOST_FILTERS, LONGEST_FILTER = 20, 200
MOST_NAMED = 20
_FILTER = re.compile(r"[A-Za-z0-9_.:+#-]+(/[A-Za-z0-9_.:+#-]+)*")


class CredentialError(ValueError):
    """A credential that cannot be had; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh credential with its secret, which exists here and nowhere else."""

    id: int
    user: str
    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the broker is told of one user.

    `base` is the device's own topic without its last level, empty for a source; `behind` are those of the devices that
    it is the gateway of; `writes` and `reads` are the topic filters of a source.
    """

    id: int
    user: str
    pbkdf2: str = field(repr=False)
    bcrypt: str = field(repr=False)
    base: str
    behind: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


def pbkdf2(secret: str) -> str:
    """A secret as mosquitto's password file holds it (SHA-512)."""
    salt = os.urandom(12)
    found = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, PBKDF2_ROUNDS)
    return f"$7${PBKDF2_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(found).decode()}"


def bcrypted(secret: str) -> str:
    """A secret as the NATS server's configuration holds it."""
    return bcrypt.hashpw(secret.encode(), bcrypt.gensalt(BCRYPT_COST)).decode()


def fits(kept: str, secret: str) -> bool:
    """Whether a secret is the one that `pbkdf2` made this of."""
    _, _, rounds, salt, expected = kept.split("$")
    found = hashlib.pbkdf2_hmac("sha512", secret.encode(), base64.b64decode(salt), int(rounds))
    return secrets.compare_digest(found, base64.b64decode(expected))


def issue(connection: psycopg.Connection, device: str, by: str) -> Issued:
    """Give a device in service a credential; the one that it had is revoked. Raises CredentialError."""
    with connection.transaction():
        found = connection.execute(
            """select device.id, department.id, department.key || '/' || device.key
               from device join department on department.id = department_id
               where device.key = %s and retired_at is null for update of device""",
            (device,),
        ).fetchone()
        if found is None:
            raise CredentialError(
                f"no device {device} in service", "`cityhub device list` shows those there are"
            )
        _revoke(connection, "device_id = %s", found[0])
        return _insert(connection, ("device", found[2], f"edge-{device}", found[0], found[1], [], []), by)


def issue_source(
    connection: psycopg.Connection,
    name: str,
    department: str,
    writes: Sequence[str],
    reads: Sequence[str],
    by: str,
) -> Issued:
    """Give a platform that speaks its own topics (ChirpStack, a camera) a credential for these filters alone."""
    faults = [fault for one in (*writes, *reads) if (fault := _fault(one))]
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name):
        faults.append(f"{name!r:.80} is not lower-case letters, digits and hyphens, at most 64")
    if name in RESERVED:
        faults.append(f"{name} is a user of the broker's own")
    if not writes or len(writes) + len(reads) > MOST_FILTERS:
        faults.append(f"give 1 to {MOST_FILTERS} filters, at least one to publish to")
    if faults:
        raise CredentialError("; ".join(faults[:5]), "write filters like application/+/device/+/event/+")
    with connection.transaction():
        owner = connection.execute("select id from department where key = %s", (department,)).fetchone()
        if owner is None:
            raise CredentialError(f"no department {department}", "register one of its devices first")
        _revoke(connection, "kind = 'source' and username = %s", name)
        return _insert(connection, ("source", name, name, None, owner[0], list(writes), list(reads)), by)


def _fault(topic_filter: str) -> str:
    """Why a filter may not be a source's: the hub's own topics are for devices, and wildcards must not reach them."""
    levels = topic_filter.split("/")
    if len(topic_filter) > LONGEST_FILTER or not _FILTER.fullmatch(topic_filter):
        return f"{topic_filter!r:.80} is no topic filter of letters, digits and ._:+#-"
    if any(("+" in one or "#" in one) and len(one) > 1 for one in levels) or "#" in levels[:-1]:
        return f"{topic_filter} has a wildcard where none may be"
    if levels[0] in ("+", "#", "city"):
        return f"{topic_filter} reaches topics that are not the source's own"
    return ""


def _insert(connection: psycopg.Connection, columns: tuple[object, ...], by: str) -> Issued:
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = connection.execute(
        """insert into credential (kind, username, client_id, device_id, department_id, writes, reads,
                                   pbkdf2, bcrypt, created_by)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id, username, client_id""",
        (*columns, pbkdf2(secret), bcrypted(secret), by),
    ).fetchone()
    if row is None:
        raise RuntimeError("an insert that returned nothing")
    _tell(connection)
    return Issued(row[0], row[1], row[2], secret)


def revoke(connection: psycopg.Connection, device: str) -> list[int]:
    """Take a device's credential back; returns the ids of those taken back, none where it had none."""
    with connection.transaction():
        return _revoke(connection, "device_id = (select id from device where key = %s)", device)


def revoke_source(connection: psycopg.Connection, name: str) -> list[int]:
    """Take a source's credential back."""
    with connection.transaction():
        return _revoke(connection, "kind = 'source' and username = %s", name)


def _revoke(connection: psycopg.Connection, which: str, key: object) -> list[int]:
    gone = connection.execute(
        f"update credential set revoked_at = now() where {which} and revoked_at is null returning id".encode(),  # noqa: S608 -- texts of ours
        (key,),
    ).fetchall()
    if gone:
        _tell(connection)
    return [one for (one,) in gone]


def _tell(connection: psycopg.Connection) -> None:
    connection.execute("select pg_notify(%s, '')", (CHANNEL,))


def grants(connection: psycopg.Connection) -> list[Grant]:
    """Everything the broker is to know: credentials in force, of devices in service that are where they were."""
    return [
        Grant(
            id_,
            user,
            fast,
            slow,
            f"city/v1/{user}" if own else "",
            tuple(behind),
            tuple(writes),
            tuple(reads),
        )
        for id_, user, fast, slow, own, behind, writes, reads in connection.execute(
            """with behind as (
                   select child.gateway_id, array_agg('city/v1/' || department.key || '/' || child.key order by child.key)
                          as bases
                   from device child join department on department.id = child.department_id
                   where child.gateway_id is not null and child.retired_at is null group by 1
               )
               select credential.id, username, pbkdf2, bcrypt, kind = 'device', coalesce(behind.bases, '{}'), writes, reads
               from credential left join device on device.id = device_id
                    left join department on department.id = device.department_id
                    left join behind on behind.gateway_id = device_id
               where revoked_at is null and (kind = 'source' or retired_at is null
                     -- Who was given to another department is enrolled there: its old name is nobody's.
                     and username = department.key || '/' || device.key)
               order by username"""
        )
    ]


def sources(connection: psycopg.Connection) -> list[tuple[str, str, str, str, str, str]]:
    """The platforms that may enter, by name: department, filters to publish and to read, since when, and whether the broker knows."""
    return connection.execute(
        """select username, department.key, array_to_string(writes, ' '), array_to_string(reads, ' '),
                  to_char(created_at at time zone 'utc', 'YYYY-MM-DD HH24:MI"Z"'),
                  case when admitted_at is null then 'not yet' else 'yes' end
           from credential join department on department.id = department_id
           where kind = 'source' and revoked_at is null order by username"""
    ).fetchall()


def lost(connection: psycopg.Connection, wanted: Mapping[str, str]) -> list[str]:
    """Those of these devices, by key, that had a credential and have none in the departments that they get or have."""
    return [
        key
        for (key,) in connection.execute(
            """select key from unnest(%s::text[], %s::text[]) as wanted (key, department) join device using (key)
               where exists (select from credential where device_id = device.id)
                 and not exists (select from credential where device_id = device.id and revoked_at is null
                                 and username = wanted.department || '/' || key) order by key""",
            (list(wanted), list(wanted.values())),
        )
    ]


def enrol_again(keys: Sequence[str]) -> list[str]:
    """What an operator is told who has brought this about: nothing, or a sentence with the next step."""
    if not keys:
        return []
    shown = ", ".join(keys[:MOST_NAMED]) + (
        f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else ""
    )
    why = "a credential is lost with its department and with retirement"
    return [
        f"to be enrolled again, for {why}: {shown}. `cityhub device token ID`, or the device's page, makes a new token."
    ]


def kept(connection: psycopg.Connection, device: str, reach: int | None) -> list[dict[str, Any]]:
    """The hundred newest credentials that a device within reach has had, without their secrets."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """select c.id, c.username as user, c.client_id, c.created_at, c.created_by, c.admitted_at, c.revoked_at
               from credential c join device d on d.id = c.device_id
               where d.key = %s and (%s::integer is null or d.department_id = %s) order by c.id desc limit 100""",
            (device, reach, reach),
        ).fetchall()


def is_in_force(connection: psycopg.Connection, user: str, secret: str) -> bool:
    """Whether a user has this secret still."""
    row = connection.execute(
        "select pbkdf2 from credential where username = %s and revoked_at is null", (user,)
    ).fetchone()
    return row is not None and fits(row[0], secret)


def note_admitted(connection: psycopg.Connection, known: Collection[int]) -> None:
    """Write down what the broker knows now, and that it has forgotten all else; the caller has just told it."""
    inside = frozenset(known)
    rows = connection.execute(
        """select id, admitted_at is not null and shut_at is null from credential
           where revoked_at is null or (admitted_at is not null and shut_at is null)"""
    ).fetchall()
    fresh = [credential for credential, noted in rows if not noted and credential in inside]
    gone = [credential for credential, noted in rows if noted and credential not in inside]
    with connection.transaction():
        connection.execute(
            "update credential set admitted_at = now(), shut_at = null where id = any(%s)", (fresh,)
        )
        connection.execute("update credential set shut_at = now() where id = any(%s)", (gone,))


def is_admitted(connection: psycopg.Connection, credential: int) -> bool:
    """Whether the broker knows this credential."""
    return (
        connection.execute(
            "select 1 from credential where id = %s and admitted_at is not null and shut_at is null",
            (credential,),
        ).fetchone()
        is not None
    )
