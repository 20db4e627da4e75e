"""The live picture of the demo: what the hub says of itself, once a second, in the terminal."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import psycopg
from rich.console import Group
from rich.table import Table
from rich.text import Text

from alerts.rule import LEVEL_NAMES

# Level as colour, shape and digit, I the worst: the same marks as on the console.
MARKS = {4: ("red", "⯃ I"), 3: ("dark_orange", "▲ II"), 2: ("yellow", "◆ III"), 1: ("dodger_blue1", "● IV")}

FORESEEN_MIN = 30.0


@dataclass(slots=True)
class Reading:
    """What one look at the database shows."""

    at: float
    status: dict[str, Any]
    alive: bool
    stored: int
    balance: int
    standing: list[tuple[Any, ...]]
    raised: int
    crowds: list[
        tuple[Any, ...]
    ]  # (name, persons, persons/m2, % of capacity, minutes to it), the fullest first


@dataclass(slots=True)
class Picture:
    """Looks and draws; remembers the looks of the last seconds for the rates."""

    database_url: str
    begun: float = field(default_factory=time.monotonic)
    looks: list[Reading] = field(default_factory=list)
    first_stored_s: float | None = None

    def look(self) -> Reading:
        """Read the state of the hub."""
        with psycopg.connect(self.database_url, autocommit=True, connect_timeout=5) as connection:
            beat = connection.execute(
                "select status, beat_at > now() - interval '10 seconds' from hub_run order by started_at desc limit 1"
            ).fetchone()
            stored, received, settled = connection.execute(
                """select coalesce(sum(stored), 0)::bigint, coalesce(sum(received), 0)::bigint,
                          coalesce(sum(stored + duplicate + quarantined + rejected), 0)::bigint from ledger_minute"""
            ).fetchone() or (0, 0, 0)
            standing = connection.execute(
                """select level, rule_version.body ->> 'title', device.name, alarm.value,
                          case when rule_version.body ->> 'kind' = 'no_data' then 's' else unit end,
                          threshold, acknowledged_by,
                          extract(epoch from now() - raised_at)::int, zone.name
                   from alarm join series on series.id = series_id join device on device.id = alarm.device_id
                        left join zone on zone.id = alarm.zone_id
                        left join lateral (select body from rule_version where rule_version.rule = alarm.rule
                                           order by id desc limit 1) as rule_version on true
                   where returned_at is null order by level desc, raised_at limit 8"""
            ).fetchall()
            raised = connection.execute(
                "select count(*) from alarm_transition where kind = 'raised'"
            ).fetchone()
            crowds = connection.execute(
                """select zone.name, sum(value) filter (where metric = 'persons') as persons,
                          sum(value) filter (where metric = 'density'), sum(value) filter (where metric = 'full') as share,
                          sum(value) filter (where metric = 'minutes-to-full')
                   from device join zone on zone.id = device.zone_id join series on series.device_id = device.id
                        join latest on series_id = series.id
                   where device.profile = 'zone' and value <> 'NaN' and time > now() - interval '1 minute'
                   group by zone.id having count(*) filter (where metric = 'persons') > 0
                   order by share desc nulls last, persons desc limit 3"""
            ).fetchall()
        found = Reading(
            time.monotonic(), beat[0] if beat else {}, bool(beat and beat[1]), stored, received - settled, standing,
            raised[0] if raised else 0, crowds,
        )  # fmt: skip
        if self.first_stored_s is None and found.status.get("stored"):
            self.first_stored_s = time.monotonic() - self.begun
        self.looks = [*self.looks[-5:], found]
        return found

    def rate(self, name: str) -> float:
        """Counts a second over the last looks."""
        if len(self.looks) < 2:  # noqa: PLR2004 -- a rate needs two looks
            return 0.0
        first, last = self.looks[0], self.looks[-1]
        return float(
            max(0, last.status.get(name, 0) - first.status.get(name, 0)) / max(last.at - first.at, 1e-3)
        )

    def draw(self, found: Reading, header: list[str]) -> Group:
        """The picture."""
        numbers = Table.grid(padding=(0, 3))
        numbers.add_row(
            *(
                f"[dim]{title}[/]"
                for title in ("readings/s", "stored", "flagged", "late", "dead letters", "alarms", "ledger")
            )
        )
        status = found.status
        numbers.add_row(
            f"[bold]{self.rate('received'):,.0f}[/]", f"[bold]{found.stored:,}[/]", f"{status.get('flagged', 0):,}",
            f"{status.get('late', 0):,}", f"{status.get('quarantined', 0) + status.get('rejected', 0):,}",
            f"{len(found.standing)} of {found.raised}",
            "[bold]balanced[/]" if found.balance == 0 else f"[bold red]off by {found.balance}[/]",
        )  # fmt: skip
        table = Table(box=None, pad_edge=False, show_header=False)
        for level, title, device, value, unit, limit, owner, age_s, zone in found.standing:
            colour, mark = MARKS[level]
            table.add_row(
                Text(mark, style=colour), Text(str(title)), Text(f"{value:.4g} {unit}", style="bold"),
                Text(f"limit {limit:g}" if limit is not None else ""), Text(str(device)), Text(str(zone or "")),
                Text(f"for {age_s // 60}:{age_s % 60:02d}"), Text(f"taken by {owner}" if owner else "nobody has it", style="dim"),
            )  # fmt: skip
        if not found.standing:
            table.add_row(Text("no alarm stands", style="dim"))
        lines: list[Any] = [Text.from_markup(line) for line in header]
        if not found.alive:
            lines.append(Text("the hub is silent", style="bold red"))
        crowds = [Text(_crowd(*each)) for each in found.crowds]
        return Group(*lines, "", numbers, "", *crowds, *([""] if crowds else []), table)

    def line(self, found: Reading) -> str:
        """The same in one line, where there is no terminal."""
        worst = (
            f", worst {LEVEL_NAMES[found.standing[0][0]]} {found.standing[0][2]}" if found.standing else ""
        )
        fullest = f"{_crowd(*found.crowds[0])}; " if found.crowds else ""
        return (
            f"{fullest}{self.rate('received'):,.0f} readings/s, {found.stored:,} stored, {found.status.get('flagged', 0)} flagged, "
            f"{len(found.standing)} alarms stand{worst}, ledger {'balanced' if found.balance == 0 else f'off by {found.balance}'}"
        )


def _crowd(
    name: str, persons: float, density: float | None, full: float | None, minutes: float | None
) -> str:
    """How many are in a square, and where that leads."""
    said = [f"{name}: {persons:,.0f} people"]
    if density is not None:
        said.append(f"{density:.1f}/m²")
    if full is not None:
        said.append(f"{full:.0f} % of capacity")
    # 30 is said where nothing is foreseen.
    if minutes is not None and minutes < FORESEEN_MIN:
        said.append(f"full in {minutes:.0f} min" if minutes >= 1 else "full within a minute")
    return ", ".join(said)
