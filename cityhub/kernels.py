"""All that judges readings, by slot: met with every series, fed with every batch, saved and taken up as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import structlog
from numpy.typing import NDArray

from alerts import alarms
from alerts.alarms import Change, Clause
from alerts.checks.anomaly import Anomaly
from alerts.checks.company import Neighbour
from alerts.checks.quality import Quality
from alerts.checks.wording import clause, reason
from alerts.days import Days
from alerts.outlook import Expected
from alerts.rulebook import AnyVersion, Subject
from alerts.watch import Watches
from cityhub.judging import change_of, subject_of, zones_of
from cityhub.observers import Observers
from cityhub.screening import screen
from edge.reading import Rows
from ingest import neighbours
from ingest.batch import Batch
from ingest.order import Newest
from ingest.registry import Registry, Series

log = structlog.get_logger("cityhub.kernels")

SECOND_US = 1_000_000
UNUSUAL = "unusual-"
"""Before the names of what the rules on anomaly scores remember, in a checkpoint."""


class Kernels:
    """Flags, rules on values, rules on anomaly scores, and what only looks: tally, forecasts, silence."""

    def __init__(self, registry: Registry, newest: Newest, versions: list[AnyVersion], days: Days) -> None:
        self.versions = versions
        self._registry, self._newest = registry, newest
        self._quality, self._watches = Quality(), Watches(versions, "value")
        # Only series of which a rule asks it are scored.
        offset = datetime.now(days.zone).utcoffset() or timedelta()
        self._anomaly, self._unusual = Anomaly(offset // timedelta(minutes=1)), Watches(versions, "anomaly")
        self._observers = Observers(registry, newest, versions, days)
        # Of the zones that rules name alone it is known who stands in them: by series.
        self._named = sorted({zone for version in versions if (zone := version.rule.applies_to.zone)})
        self._stands: dict[int, frozenset[str]] = {}

    def meet(self, connection: psycopg.Connection, fresh: list[Series]) -> None:
        """Give series that are new to this process their place in every kernel's arrays."""
        if self._named and fresh:
            self._stands |= zones_of(connection, [series.id for series in fresh], self._named)
        profiles = {key: self._registry.profiles[key] for key in {series.device.profile for series in fresh}}
        self._observers.register(connection, profiles)
        for series in fresh:
            self._newest.reach(series.id)
            self._observers.add(series, self._bind(series))
        screen(self._quality, self._registry, fresh)
        # Neighbours may be named before their series are there, or long after.
        self._quality.compare(
            (link.slot, link.other, Neighbour(*link[2:])) for link in neighbours.links(connection)
        )

    def settle(self, connection: psycopg.Connection) -> bool:
        """Zones or devices may have changed: bind anew the rules of series that stand elsewhere now; whether any does."""
        if not self._named:
            return False
        before, self._stands = self._stands, zones_of(connection, named=self._named)
        moved = [
            self._registry.series[series]
            for series in sorted(before.keys() | self._stands.keys())
            if before.get(series) != self._stands.get(series) and series in self._registry.series
        ]
        for series in moved:
            self._observers.wait_for(series, self._bind(series))
        return bool(moved)

    def judged_by(self, series: int) -> set[str]:
        """The names of the rules that judge a series."""
        kernels = (self._watches, self._unusual, self._observers)
        return {name for kernel in kernels for name in kernel.judged_by(series)}

    def judge(self, batch: Batch) -> None:
        """Flag the rows of a batch, and leave in it what is to be told."""
        outcome = self._quality.mark(batch.rows, batch.newer)
        batch.count_flags()
        found = [
            *self._observers.observe(batch, outcome),
            *self._crossings(batch.rows, batch.newer, batch.late),
            *self._surprises(batch.rows, batch.newer, batch.late),
        ]
        # Of a device that is not commissioned nobody is alarmed; what the kernels know of it goes on all the same.
        batch.events = [change for change in found if self._registry.watched(change.series_id)]

    def write(self, cursor: psycopg.Cursor, batch: Batch) -> None:
        """Write the counts of a batch in its transaction; in the writer's thread."""
        self._observers.write(cursor, batch)

    def listen(self, *, away: bool) -> list[Change]:
        """Call about once a second: who has fallen silent; `away`: nobody can be heard."""
        return self._observers.listen(away=away)

    def expected(self) -> list[Expected]:
        """What is expected of the series that were heard since the last call."""
        return self._observers.expected()

    def replay(self, rows: Rows) -> None:
        """Take in what was stored after the checkpoint: nobody is told."""
        newer = self._newest.advance(rows["series"], rows["time"])
        outcome = self._quality.mark(rows, newer)
        self._observers.replay(rows, newer, outcome)
        late = np.ones(len(rows), np.bool_)
        self._crossings(rows, newer, late)
        self._surprises(rows, newer, late)

    def saved(self) -> dict[str, NDArray[Any]]:
        """What all of them remember, by name."""
        return {
            "newest": self._newest.times,
            **self._quality.saved(),
            **self._watches.state(),
            "anomaly": self._anomaly.state,
            **{UNUSUAL + name: kept for name, kept in self._unusual.state().items()},
            **self._observers.arrays(),
        }

    def take_up(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Begin where a checkpoint ended, once the series are met."""
        if "newest" in saved:
            self._newest.take_up(saved["newest"])
            self._quality.take_up(saved)
            self._watches.restore(saved)
            self._observers.take_up(saved)
        if "anomaly" in saved:
            self._anomaly.take_up(saved["anomaly"])
            unusual = {name.removeprefix(UNUSUAL): kept for name, kept in saved.items() if UNUSUAL in name}
            self._unusual.restore(unusual)

    def go_on_from(self, connection: psycopg.Connection, saved: Mapping[str, NDArray[Any]]) -> None:
        """Take what the database says stands for what people were told."""
        standing, shadows = alarms.standing(connection), alarms.shadows(connection)
        for watches in (self._watches, self._unusual):
            watches.set_told(standing, "live")
            watches.set_told(shadows, "shadow")
        self._observers.set_told(standing, saved)

    def tell_anew(self, connection: psycopg.Connection) -> None:
        """Devices came into service or left it: what stands in the database is what people know."""
        standing = alarms.standing(connection)
        for watches in (self._watches, self._unusual):
            watches.set_told(standing, "live")

    def go_back(self, series: NDArray[np.int32], now: int) -> None:
        """The clock by which we ourselves speak of these series was set back: from now on they are judged as ever."""
        self._newest.go_back(series, now - SECOND_US)
        for watches in (self._watches, self._unusual):
            watches.go_back(series, now)
        self._observers.go_back(series, now)

    def _bind(self, series: Series) -> Subject:
        """Let the rules judge a series that apply to it where it stands now."""
        datum = self._registry.vertical.get(series.device.id, "")
        subject = subject_of(series, self._stands.get(series.id, frozenset()), datum)
        for version in [*self._watches.add(subject), *self._unusual.add(subject)]:
            other = "datum" if version.rule.speaks_of_unit(subject.unit) else "unit"
            event = f"rule does not judge a series: its limits are in another {other}"
            log.warning(
                event,
                because=version.rule.refuses(subject.unit, subject.datum),
                rule=version.rule.rule,
                device=series.device.key,
                metric=series.metric,
            )
        return subject

    def _crossings(self, rows: Rows, newer: NDArray[np.bool_], late: NDArray[np.bool_]) -> list[Change]:
        """What rules on values say."""
        events = self._watches.observe(rows, newer, late)
        return [
            change_of(self._watches, event, row)
            for event, row in zip(events, rows[events["row"]], strict=True)
        ]

    def _surprises(self, rows: Rows, newer: NDArray[np.bool_], late: NDArray[np.bool_]) -> list[Change]:
        """What rules on anomaly scores say, with the reason in words."""
        asked = np.flatnonzero(self._unusual.judges(rows["series"]))
        if not len(asked):
            return []
        rows, newer, late = rows[asked], newer[asked], late[asked]
        notes = self._anomaly.score(rows, newer)
        scores = rows.copy()
        scores["value"] = notes["score"]
        found = []
        for event in self._unusual.observe(scores, newer, late):
            row, note = rows[event["row"]], notes[event["row"]]
            unit = self._registry.series[int(row["series"])].measured.unit
            change = change_of(self._unusual, event, row)
            value = float(row["value"])
            said, told = reason(value, note, unit), clause(value, note)
            because = [Clause(*told)] if told else []
            # Not proved by readings alone: a score rests on all that came before.
            found.append(replace(change, threshold=None, held=None, reason=said, because=because))
        return found
