"""How far a new device has come: created, enrolled, connected, reading, accepted; and what keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

STEPS = ("created", "enrolled", "connected", "reading", "accepted")
REFUSED_SPAN = "1 hour"


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `at` is when it was taken."""

    name: str
    done: bool
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """The steps of one device, its newest readings, and what the hub has refused of it lately."""

    device: str
    state: str
    steps: list[Step]
    latest: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    advice: str = ""


# A device behind a gateway or a platform has no connection of its own: theirs counts, and it needs no credential.
STEPS_OF = """
    select d.id, d.created_at as created, g.key as gateway, d.retired_at is not null as retired,
           exists (select from device_address a where a.device_id = d.id) as addressed,
           (select min(c.created_at) from credential c where c.device_id = d.id and c.revoked_at is null) as enrolled,
           (select min(c.admitted_at) from credential c where c.device_id = d.id and c.revoked_at is null) as admitted,
           least(
               (select min(m.minute) from ledger_minute m
                where m.device_id = d.id and m.messages > 0 and m.minute >= date_trunc('minute', d.created_at)),
               (select min(r.first_at) from dead_letter r where r.device_id = d.id),
               (select u.since from device_status u where u.device_id = d.id)
           ) as connected,
           (select max(r.last_at) from dead_letter r where r.device_id = d.id) as refused_at,
           (select min(s.created_at) from series s join latest l on l.series_id = s.id
            where s.device_id = d.id and s.derived_from is null) as reading,
           (select max(a.signed_at) from acceptance a where a.device_id = d.id) as accepted,
           exists (select from enrolment_token t where t.device_id = d.id and t.used_at is null and not t.withdrawn
                   and t.expires_at > now()) as invited
    from device d left join device g on g.id = d.gateway_id
    where d.key = %(device)s and (%(reach)s::integer is null or d.department_id = %(reach)s)
"""


def progress(connection: psycopg.Connection[Any], device: str, reach: int | None) -> Progress | None:
    """Look how far a device within reach has come; None where there is none."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(STEPS_OF, {"device": device, "reach": reach}).fetchone()
        if row is None:
            return None
        latest = cursor.execute(
            """select s.metric, s.unit, l.time, l.value, l.flag from series s join latest l on l.series_id = s.id
               where s.device_id = %s order by l.time desc, s.metric limit 50""",
            (row["id"],),
        ).fetchall()
        refused = cursor.execute(
            """select reason, detail, times, last_at as at from dead_letter
               where device_id = %s and last_at > now() - %s::interval order by last_at desc limit 5""",
            (row["id"], REFUSED_SPAN),
        ).fetchall()
    reading = row["reading"]
    connected = min((at for at in (row["connected"], reading) if at is not None), default=None)
    # The ledger counts by minutes: what was begun within that minute came before it was heard.
    for begun in (row["created"], row["admitted"]):
        if (
            connected is not None
            and begun is not None
            and connected < begun < connected + timedelta(minutes=1)
        ):
            connected = begun
    # Behind a gateway or a platform nothing is enrolled or connected but that: what has come says that it is.
    enrolled = row["enrolled"] or (connected if row["gateway"] or row["addressed"] else None)
    at = {
        "created": row["created"],
        "enrolled": enrolled,
        "connected": connected,
        "reading": reading,
        "accepted": row["accepted"],
    }
    steps = [Step(name, at[name] is not None, at[name]) for name in STEPS]
    state = [step.name for step in steps if step.done][-1]
    return Progress(device, state, steps, latest, refused, _advice(row, state, refused))


def _advice(row: dict[str, Any], state: str, refused: list[dict[str, Any]]) -> str:
    """What to do next, in a sentence."""
    if row["retired"]:
        return "It is retired: nothing of it is taken."
    if refused and state in ("created", "enrolled", "connected"):
        return f"It is heard, and refused: {refused[0]['reason']}, {refused[0]['detail']}"
    if state == "created" and row["gateway"]:
        return f"Its readings come through {row['gateway']}: configure it there."
    if state == "created" and row["addressed"] and not row["invited"]:
        return "Its readings come from its platform: see that it publishes them."
    if state == "created":
        return (
            "Use the token on the device." if row["invited"] else "Ask for a token and use it on the device."
        )
    if state == "enrolled" and row["admitted"] is None and not row["gateway"] and not row["addressed"]:
        return "The broker does not know it yet: is `cityhub up` or `cityhub broker export --follow` running?"
    return {
        "enrolled": "It has not been heard yet: check power, network, broker address and topic.",
        "connected": "It is heard; wait for a reading that can be stored.",
        "reading": "Watch the readings, then measure and sign the acceptance card.",
        "accepted": "It is accepted.",
    }[state]
