"""How far a device has arrived, by the tables: registered, enrolled, heard, read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class Arrival:
    """Since when each of it holds; None: it does not yet."""

    id: int
    gateway: str | None
    addressed: bool  # a platform speaks for it
    retired: bool
    created: datetime
    enrolled: datetime | None
    admitted: datetime | None  # to the broker
    connected: datetime | None
    reading: datetime | None
    invited: bool  # a token waits to be used
    lost: bool  # it had a credential, and has none that is good in its department


def of(connection: psycopg.Connection[Any], device: str, reach: int | None) -> Arrival | None:
    """Look at a device within reach; None where there is none."""
    with connection.cursor(row_factory=class_row(Arrival)) as arrivals:
        return arrivals.execute(
            """
            select d.id, g.key as gateway, d.retired_at is not null as retired, d.created_at as created,
                   exists (select from device_address a where a.device_id = d.id) as addressed,
                   own.created_at as enrolled, own.admitted_at as admitted,
                   least(
                       (select min(m.minute) from ledger_minute m
                        where m.device_id = d.id and m.messages > 0 and m.minute >= date_trunc('minute', d.created_at)),
                       (select min(r.first_at) from dead_letter r where r.device_id = d.id),
                       (select u.since from device_status u where u.device_id = d.id)
                   ) as connected,
                   (select min(s.created_at) from series s join latest l on l.series_id = s.id
                    where s.device_id = d.id and s.derived_from is null) as reading,
                   exists (select from enrolment_token t where t.device_id = d.id and t.used_at is null
                           and not t.withdrawn and t.expires_at > now()) as invited,
                   own.id is null and exists (select from credential c where c.device_id = d.id) as lost
            from device d join department p on p.id = d.department_id left join device g on g.id = d.gateway_id
                 left join credential own on own.device_id = d.id and own.revoked_at is null
                      and own.username = p.key || '/' || d.key
            where d.key = %(device)s and (%(reach)s::integer is null or d.department_id = %(reach)s)
            """,
            {"device": device, "reach": reach},
        ).fetchone()
