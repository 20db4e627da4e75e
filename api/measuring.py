"""Measuring a new device for its acceptance card: every line out of the database, with its limit and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from api.spot import Line, Spot, Verdict, place_line
from ingest.ucum import quantity

WORST: tuple[Verdict, ...] = ("ok", "attention", "fail")

# Three turns of its slowest metric, within bounds in which a person waits or comes back.
SHORTEST, LONGEST, TURNS = timedelta(minutes=10), timedelta(days=1), 3

# Limits: (ok up to or from here, attention up to or from here); beyond is a fail.
RATE = (0.9, 0.5)
FLAGGED = (0.02, 0.2)
CLOCK_S = (5.0, 60.0)
REFUSED = (0.0, 0.01)
GAP_TURNS = 2.5
# Where a LoRaWAN or NB-IoT link begins to lose messages; a battery that is new is full.
SIGNAL: dict[str, tuple[float, float]] = {
    "rssi": (-110, -120),
    "snr": (-7.5, -15),
    "battery-level": (50, 20),
}


@dataclass(frozen=True, slots=True)
class Card:
    """What was measured of a device between two moments; the verdict is that of its worst line."""

    device: str
    name: str
    department: str
    profile: str
    begins_at: datetime
    ends_at: datetime
    lines: list[Line]
    photo: int | None

    @property
    def verdict(self) -> Verdict:
        """The worst of the lines."""
        return max((line.verdict for line in self.lines), key=WORST.index, default="fail")


DEVICE = """
    select d.id, d.key, d.name, d.lon, d.lat, d.clock_offset_s, d.profile, p.key as department, g.key as gateway,
           f.body as measures, now() as ends_at,
           (select max(h.id) from device_photo h where h.device_id = d.id) as photo
    from device d join department p on p.id = d.department_id join profile f on f.key = d.profile
         left join device g on g.id = d.gateway_id
    where d.key = %(device)s and d.retired_at is null and (%(reach)s::integer is null or d.department_id = %(reach)s)
"""
FIRST = """
    select min(r.time) as first, bool_or(r.time < %(begins)s) as before
    from series s cross join lateral (
        (select time from reading where series_id = s.id and time between %(begins)s and %(ends)s order by time limit 1)
        union all
        (select time from reading where series_id = s.id and time < %(begins)s order by time desc limit 1)
    ) r where s.device_id = %(id)s and s.derived_from is null
"""
# The interval of each series comes along, so that a gap is one against its own turn.
SERIES = """
    select s.metric, s.unit, count(r.time) as came, count(*) filter (where r.flag in (3, 4)) as flagged,
           count(*) filter (where r.gap > make_interval(secs => w.every * %(turns)s)) as gaps,
           extract(epoch from max(r.gap))::float8 as longest, min(r.value) as least, max(r.value) as most,
           (array_agg(r.value order by r.time desc))[1] as newest, (array_agg(r.flag order by r.time desc))[1] as flag
    from series s join unnest(%(metrics)s::text[], %(every)s::float8[]) as w (metric, every) on w.metric = s.metric
         left join lateral (
             select time, value, flag, time - lag(time) over (order by time) as gap
             from reading where series_id = s.id and time between %(begins)s and %(ends)s
         ) r on true
    where s.device_id = %(id)s and s.derived_from is null group by s.metric, s.unit order by s.metric
"""
LEDGER = """
    select coalesce(sum(received), 0)::bigint as received, coalesce(sum(stored), 0)::bigint as stored,
           coalesce(sum(duplicate), 0)::bigint as duplicate, coalesce(sum(rejected), 0)::bigint as rejected,
           coalesce(sum(quarantined), 0)::bigint as quarantined
    from ledger_minute where device_id = %(id)s and minute between date_trunc('minute', %(begins)s::timestamptz)
         and %(ends)s
"""


def measure(
    connection: psycopg.Connection[Any],
    device: str,
    reach: int | None,
    *,
    span: timedelta | None = None,
    spot: Spot | None = None,
) -> Card | None:
    """Measure a device in service within reach; None where there is none. `spot` is where the engineer stands."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(DEVICE, {"device": device, "reach": reach}).fetchone()
        if row is None:
            return None
        every = {name: float(one["interval_s"]) for name, one in row["measures"]["metrics"].items()}
        slowest = timedelta(seconds=max(every.values(), default=0))
        begins = row["ends_at"] - (span or min(max(TURNS * slowest, SHORTEST), LONGEST))
        given = {
            "id": row["id"], "begins": begins, "ends": row["ends_at"], "turns": GAP_TURNS,
            "metrics": list(every), "every": list(every.values()),
        }  # fmt: skip
        first = cursor.execute(FIRST, given).fetchone() or {}
        if first.get("first") and not first["before"]:
            given["begins"] = begins = first["first"]
        found = cursor.execute(SERIES, given).fetchall()
        book = cursor.execute(LEDGER, given).fetchone() or {}
        zones = cursor.execute(
            """select z.key from device_zone dz join zone z on z.id = dz.zone_id where dz.device_id = %s
               order by z.key""",
            (row["id"],),
        ).fetchall()
    seconds = (row["ends_at"] - begins).total_seconds()
    lines = [
        *_rates(found, every, seconds),
        *_ranges(found),
        _clock(row["clock_offset_s"]),
        *_signals(found),
        _loss(book, found, row["gateway"]),
        place_line(row["lon"], row["lat"], [each["key"] for each in zones], spot),
        Line("photo", f"no. {row['photo']}", "one", "ok", "")
        if row["photo"]
        else Line("photo", "none", "one", "attention", "Take a picture of the mounted device."),
    ]
    return Card(
        row["key"],
        row["name"],
        row["department"],
        row["profile"],
        begins,
        row["ends_at"],
        lines,
        row["photo"],
    )


def graded(value: float, limits: tuple[float, float]) -> Verdict:
    """The verdict of a value; where the second limit is the lower one, more is better."""
    good, fair = limits
    if good > fair:
        return "ok" if value >= good else "attention" if value >= fair else "fail"
    return "ok" if value <= good else "attention" if value <= fair else "fail"


def _rates(found: list[dict[str, Any]], every: dict[str, float], seconds: float) -> list[Line]:
    lines = []
    came = {row["metric"]: row["came"] for row in found if row["came"]}
    for metric, number in came.items():
        due = int(seconds / every[metric])
        limit = f"at least {RATE[0]:.0%} of one each {every[metric]:g} s"
        value = f"{number} came, {due} due"
        if due < 1:
            why = f"One has come; look again when the next is due, {every[metric]:g} s after it."
            lines.append(Line(f"rate {metric}", value, limit, "attention", why))
            continue
        share = number / due
        verdict = graded(share, RATE)
        why = "" if verdict == "ok" else f"{share:.0%} came: check link, power and the interval that is set."
        lines.append(Line(f"rate {metric}", value, limit, verdict, why))
    missing = [metric for metric in every if metric not in came]
    if missing:
        worst: Verdict = "attention" if came else "fail"
        why = f"Nothing came of {', '.join(missing[:12])}."
        lines.append(Line("metrics", f"{len(came)} of {len(every)}", "all of the profile", worst, why))
    return lines


def _ranges(found: list[dict[str, Any]]) -> list[Line]:
    lines = []
    for row in found:
        if not row["came"]:
            continue
        share = row["flagged"] / row["came"]
        verdict = graded(share, FLAGGED)
        why = (
            ""
            if verdict == "ok"
            else f"{row['flagged']} of {row['came']} readings are flagged suspect or failed."
        )
        value = f"{row['least']:g} to {quantity(row['most'], row['unit'])}, {share:.0%} flagged"
        lines.append(Line(f"range {row['metric']}", value, f"at most {FLAGGED[0]:.0%} flagged", verdict, why))
    return lines


def _clock(offset_s: float | None) -> Line:
    limit = f"within {CLOCK_S[0]:g} s"
    if offset_s is None:
        return Line(
            "clock", "not known yet", limit, "attention", "The hub has not seen enough of its times yet."
        )
    verdict = graded(abs(offset_s), CLOCK_S)
    why = (
        ""
        if verdict == "ok"
        else f"It is {'ahead' if offset_s > 0 else 'behind'}: set its clock, or its time server."
    )
    return Line("clock", f"{round(offset_s, 1) + 0.0:+.1f} s", limit, verdict, why)


def _signals(found: list[dict[str, Any]]) -> list[Line]:
    lines = []
    for row in found:
        if not row["came"]:
            continue
        value = quantity(row["newest"], row["unit"])
        if row["metric"] in SIGNAL:
            limits = SIGNAL[row["metric"]]
            verdict = graded(row["newest"], limits)
            why = "" if verdict == "ok" else f"Below {limits[0]:g} it will be lost on a bad day."
            lines.append(Line(row["metric"], value, f"at least {limits[0]:g} {row['unit']}", verdict, why))
        elif row["metric"] == "battery":
            ok = row["flag"] in (1, 2)
            why = "" if ok else "The supply is outside the range of its profile."
            lines.append(Line("battery", value, "the profile's range", "ok" if ok else "attention", why))
    return lines


def _loss(book: dict[str, Any], found: list[dict[str, Any]], gateway: str | None) -> Line:
    refused = book["rejected"] + book["quarantined"]
    off = book["received"] - book["stored"] - book["duplicate"] - refused
    gaps = sum(row["gaps"] for row in found)
    value = (
        f"{book['received']} received, {book['stored']} stored, {book['duplicate']} twice, {refused} refused, "
        f"{gaps} gap{'' if gaps == 1 else 's'}"
    )
    limit = f"none refused, no gap beyond {GAP_TURNS:g} turns"
    if off:
        return Line(
            "loss", value, limit, "fail", f"The ledger is off by {off}: `cityhub ledger` shows where."
        )
    if not book["received"]:
        return Line("loss", value, limit, "fail", "Nothing was received in this span.")
    verdict = graded(refused / book["received"], REFUSED)
    if verdict == "ok" and gaps:
        verdict = "attention"
    reasons = [f"{refused} were refused: the dead letters say why."] if refused else []
    if gaps:
        longest = max(row["longest"] or 0 for row in found)
        reasons.append(
            f"The longest gap was {longest:.0f} s" + (f"; look at {gateway} too." if gateway else ".")
        )
    return Line("loss", value, limit, verdict, " ".join(reasons))
