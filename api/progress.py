"""How far a new device has come: created, enrolled, connected, reading, accepted; and what keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from ingest import arrival
from ingest.arrival import Arrival

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


def progress(connection: psycopg.Connection[Any], device: str, reach: int | None) -> Progress | None:
    """Look how far a device within reach has come; None where there is none."""
    with connection.cursor(row_factory=dict_row) as cursor:
        arrived = arrival.of(connection, device, reach)
        if arrived is None:
            return None
        accepted = cursor.execute(
            "select max(signed_at) as at from acceptance where device_id = %s", (arrived.id,)
        ).fetchone()
        latest = cursor.execute(
            """select s.metric, s.unit, l.time, l.value, l.flag from series s join latest l on l.series_id = s.id
               where s.device_id = %s order by l.time desc, s.metric limit 50""",
            (arrived.id,),
        ).fetchall()
        refused = cursor.execute(
            """select reason, detail, times, last_at as at from dead_letter
               where device_id = %s and last_at > now() - %s::interval order by last_at desc limit 5""",
            (arrived.id, REFUSED_SPAN),
        ).fetchall()
    connected = min((at for at in (arrived.connected, arrived.reading) if at is not None), default=None)
    # The ledger counts by minutes: what was begun within that minute came before it was heard.
    for begun in (arrived.created, arrived.admitted):
        if (
            connected is not None
            and begun is not None
            and connected < begun < connected + timedelta(minutes=1)
        ):
            connected = begun
    # Behind a gateway or a platform nothing is enrolled or connected but that: what has come says that it is.
    elsewhere = arrived.gateway or arrived.addressed
    at = {
        "created": arrived.created,
        "enrolled": arrived.enrolled or (connected if elsewhere else None),
        "connected": connected,
        "reading": arrived.reading,
        "accepted": accepted["at"] if accepted else None,
    }
    steps = [Step(name, at[name] is not None, at[name]) for name in STEPS]
    state = [step.name for step in steps if step.done][-1]
    return Progress(device, state, steps, latest, refused, _advice(arrived, state, refused))


def _advice(arrived: Arrival, state: str, refused: list[dict[str, Any]]) -> str:
    """What to do next, in a sentence."""
    if arrived.retired:
        return "It is retired: nothing of it is taken."
    if arrived.lost and not arrived.invited:
        return (
            "It must be enrolled again: its credential was revoked, or lost with its department or its retirement."
            " Ask for a new token and use it on the device."
        )
    if refused and state in ("created", "enrolled", "connected"):
        return f"It is heard, and refused: {refused[0]['reason']}, {refused[0]['detail']}"
    if state == "created":
        if arrived.gateway:
            how = f"Its readings come through {arrived.gateway}: configure it there."
        elif arrived.invited:
            how = "Use the token on the device."
        elif arrived.addressed:
            how = "Its readings come from its platform: see that it publishes them."
        else:
            how = "Ask for a token and use it on the device."
        return how
    if state == "enrolled" and arrived.admitted is None and not (arrived.gateway or arrived.addressed):
        return "The broker does not know it yet: is `cityhub up` or `cityhub broker export --follow` running?"
    return {
        "enrolled": "It has not been heard yet: check power, network, broker address and topic.",
        "connected": "It is heard; wait for a reading that can be stored.",
        "reading": "Watch the readings, then measure and sign the acceptance card.",
        "accepted": "It is accepted.",
    }[state]
