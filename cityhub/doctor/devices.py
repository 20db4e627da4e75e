"""The devices: who is silent, whose clock is wrong, who says doubtful things, and whose messages are refused."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from api.watched import OURS
from cityhub.crowd import ground
from cityhub.crowd.faults import idle, outside
from cityhub.crowd.headcount import Headcount
from cityhub.doctor.finding import Finding, listed
from geo import table
from geo.doors import unstarted
from ingest.profile import Profile

PATIENCE_S = 600.0
INTERVALS = 3
SKEW_S = 60.0
NOISY = 0.2
ENOUGH = 20
NAMED = 10
"""Sentences of what the census leaves out; the rest follows when these are done."""


def silent(connection: psycopg.Connection) -> Iterator[Finding]:
    """Devices whose newest reading is older than three of their intervals, or that never sent one."""
    rows = connection.execute(
        """select device.key, age, heard from device
                  join lateral (select extract(epoch from now() - max(latest.time))::float8 as age, count(*) as heard
                                from series join latest on latest.series_id = series.id
                                where series.device_id = device.id) as said on true
                  join lateral (select coalesce(max((metric -> 'interval_s')::float8), 0) as interval_s
                                from profile, jsonb_each(body -> 'metrics') as each (name, metric)
                                where profile.key = device.profile) as due on true
           where retired_at is null and not recorded and device.key <> 'hub'
             and profile not in ('zone', 'counting-line')  -- the hub speaks for these, of what others tell it
             and coalesce(age, extract(epoch from now() - created_at)) > greatest(%s, %s * interval_s)
           order by age desc nulls last, device.key""",
        (PATIENCE_S, INTERVALS),
    ).fetchall()
    never = [key for key, _, heard in rows if not heard]
    gone = [f"{key} ({age / 3600:.1f} h)" for key, age, heard in rows if heard]
    if gone:
        yield Finding(
            "silent devices",
            "attention",
            f"{len(gone)} have fallen silent: {listed(gone)}",
            "`cityhub device show DEVICE`; where many share a gateway, look at that first",
        )
    if never:
        yield Finding(
            "unheard devices",
            "attention",
            f"{len(never)} are registered and have never sent a reading: {listed(never)}",
            "look for them among the refused below; `cityhub device watch DEVICE` while you connect one",
        )
    if not rows:
        yield Finding(
            "silent devices", "ok", "every device in service has spoken within three of its intervals"
        )


def skewed(connection: psycopg.Connection) -> Iterator[Finding]:
    """Devices whose clock is off."""
    rows = connection.execute(
        """select key, clock_offset_s from device
           where retired_at is null and not recorded and abs(clock_offset_s) > %s order by abs(clock_offset_s) desc""",
        (SKEW_S,),
    ).fetchall()
    if rows:
        named = [f"{key} ({offset:+.0f} s)" for key, offset in rows]
        yield Finding(
            "clocks of devices",
            "attention",
            f"{len(rows)} are off by more than {SKEW_S:.0f} s: {listed(named)}",
            "set their clocks; one that is behind may only be slow to send",
        )
    else:
        yield Finding("clocks of devices", "ok", f"none is known to be off by more than {SKEW_S:.0f} s")


def noisy(connection: psycopg.Connection) -> Iterator[Finding]:
    """Series of which much was suspect or failed during the last two days."""
    rows = connection.execute(
        """select device.key || '/' || metric, sum(suspect + failed)::float8 / sum(stored)
           from quality_tally join series on series.id = series_id join device on device.id = device_id
           where day >= current_date - 1 and retired_at is null and not recorded
           group by device.key, metric having sum(stored) >= %s and sum(suspect + failed) > %s * sum(stored)
           order by 2 desc, 1""",
        (ENOUGH, NOISY),
    ).fetchall()
    if rows:
        named = [f"{name} ({share:.0%})" for name, share in rows]
        yield Finding(
            "doubtful readings",
            "attention",
            f"{len(rows)} series are doubtful in more than {NOISY:.0%}: {listed(named)}",
            "clean or replace the sensor, or correct the profile's checks: `cityhub backtest` tries them",
        )
    else:
        yield Finding(
            "doubtful readings", "ok", f"no series is doubtful in more than {NOISY:.0%} since yesterday"
        )


def uncounted(connection: psycopg.Connection) -> Iterator[Finding]:
    """What the census leaves out: cameras and counters that count nothing where they are drawn, clocks that are apart."""
    profiles = {
        key: Profile.model_validate(body) for key, body in connection.execute("select key, body from profile")
    }
    kinds: dict[str, str] = dict(
        connection.execute("select key, profile from device where retired_at is null").fetchall()
    )
    drawn = ground.read(connection).registered(kinds)
    if not (drawn.watched or drawn.views or drawn.gates):
        return
    left_out = sorted(outside(Headcount(drawn).outside) | set(idle(drawn, kinds, profiles)))
    apart = connection.execute(
        """select device.key, value from latest join series on series.id = series_id join device on device.id = device_id
           where metric = 'clock-apart' and value > 0 and time > now() - interval '2 minutes' and retired_at is null
           order by device.key"""
    ).fetchall()
    left_out += [f"{key}: its clock is {seconds:.0f} s off" for key, seconds in apart]
    with connection.cursor() as cursor:
        unknown = unstarted(
            list(table.zones(cursor)), list(table.lines(cursor)), {zone.key for zone in drawn.watched}
        )
    known = {
        key
        for (key,) in connection.execute(
            """select zone.key from latest join series on series.id = series_id join device on device.id = device_id
                      join zone on zone.id = device.zone_id
               where metric = 'persons' and device.profile = 'zone' and time > now() - interval '2 minutes'"""
        )
    }
    if start := [key for key in unknown if key not in known]:
        yield Finding(
            "people behind doors",
            "attention",
            f"{len(start)} zones have doors that are counted, and nobody has said how many are inside: {listed(start)}",
            'POST /api/v1/telemetry?device=zone-KEY with {"persons": N}, 0 when it is empty (docs/crowd.md)',
        )
    if left_out:
        yield Finding(
            "people counted",
            "attention",
            f"the census leaves {len(left_out)} out: {'; '.join(left_out[:NAMED])}"
            + ("; and more" if len(left_out) > NAMED else ""),
            "correct the zones or lines with `cityhub zone import`, register the device, or set its clock (NTP)",
        )
    else:
        said = f"every camera and counter that is drawn counts for one of {len(drawn.watched)} watched zones"
        yield Finding("people counted", "ok", said)


def set_back(connection: psycopg.Connection) -> Iterator[Finding]:
    """What the hub has said of its own lies ahead of now: its clock was wrong, and was set."""
    row = connection.execute(
        """select extract(epoch from max(time) - now())::float8 from reading
           where time > now() + interval '10 seconds' and series_id in
                 (select series.id from series join device on device.id = device_id where profile = any(%s)
                         and (profile, metric) <> ('zone', 'persons'))  -- others may state these, by their own clocks""",
        (list(OURS),),
    ).fetchone()
    if row and row[0] is not None:
        yield Finding(
            "the hub's clock",
            "attention",
            f"it was set back: what it said of itself and of zones lies up to {row[0] / 60:.0f} min ahead of now",
            "keep it right with NTP; nothing is silent for it, charts of that time show what was said by the wrong clock",
        )
    else:
        yield Finding("the hub's clock", "ok", "nothing that the hub has said lies ahead of now")


def refused(connection: psycopg.Connection) -> Iterator[Finding]:
    """What could not be taken during the last day, by reason."""
    rows = connection.execute(
        """select reason, sum(times)::bigint, array_agg(distinct coalesce(device.key, dead_letter.topic)),
                  (array_agg(detail order by last_at desc))[1]
           from dead_letter left join device on device.id = device_id
           where last_at > now() - interval '1 day' group by reason order by 2 desc"""
    ).fetchall()
    for reason, times, senders, detail in rows:
        yield Finding(
            f"refused: {reason}",
            "attention",
            f"{times} times in the last day, of {listed(sorted(senders), 3)}; last: {detail:.160}",
            STEPS.get(
                reason, "the console's page of dead letters has the bytes; `cityhub decode` explains them"
            ),
        )
    if not rows:
        yield Finding("refused messages", "ok", "none in the last day")


STEPS = {
    "unknown-device": "register it: `cityhub device new`, or `cityhub device import`",
    "unknown-metric": "add the metric to the device's profile, or stop the device from sending it",
    "not-its-gateway": "set the device's gateway in the registry",
    "wrong-department": "correct the topic in the device, or its department in the registry",
    "wrong-unit": "let the device send the profile's unit",
    "over-quota": "look why it sends so much; `quota:` in its profile allows more",
    "malformed": "`cityhub decode telemetry` explains such a message",
    "conflict": "two senders speak for one series, or the device sends two values for one moment",
    "time-outside": "set the device's clock",
}
"""What to do about each reason."""
