"""What looks at every batch and changes nothing in it: the tally, the forecasts, and who listens for silence."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from alerts.alarms import Change
from alerts.checks.forecast import Forecasts
from alerts.checks.tally import DOUBTFUL, DUPLICATE, REFUSED, Tally, checked_by
from alerts.days import Days
from alerts.outlook import Expected
from alerts.rule import LEVEL_NAMES
from alerts.rulebook import AnyVersion, Subject
from alerts.silence import Silence, Word
from alerts.tally import Tallies
from edge.reading import Rows, now_us
from ingest.batch import Batch
from ingest.order import LONG_AGO, Newest
from ingest.profile import HUB_METRICS, DerivedMetric, Profile
from ingest.records import from_us
from ingest.registry import Registry, Series


class Observers:
    """Fed in the main thread; `write` belongs to the writer's."""

    def __init__(self, registry: Registry, newest: Newest, versions: list[AnyVersion], days: Days) -> None:
        self._registry, self._newest = registry, newest
        self._tallies, self._forecasts = Tallies(Tally(days)), Forecasts()
        self._silence = Silence(versions, time.monotonic(), self._in_service)
        self._judging: dict[str, int] = {}

    def register(self, connection: psycopg.Connection, profiles: Mapping[str, Profile]) -> None:
        """Keep the checks of profiles that are new to this process as versions of what judges."""
        checks = {key: known.all_checks for key, known in profiles.items() if key not in self._judging}
        self._judging |= self._tallies.register(connection, checks)

    def add(self, series: Series, subject: Subject) -> None:
        """Observe a series that is new to this process; its profile is registered."""
        device, measured = series.device, series.measured
        if series.metric in HUB_METRICS:  # said only while there is something to say: never due, never missed
            self._tallies.tally.reach(series.id)
            return
        self._tallies.add(series.id, measured.interval_s, self._judging[device.profile])
        if measured.forecast:
            self._forecasts.add(series.id)
        self.wait_for(series, subject)

    def wait_for(self, series: Series, subject: Subject) -> None:
        """Wait for a series by the rule that applies to it now, if one does."""
        device, measured = series.device, series.measured
        if series.metric in HUB_METRICS or device.recorded or isinstance(measured, DerivedMetric):
            return
        sender = device.gateway_id or device.id
        self._silence.add(subject, measured.interval_s, sender, own=sender == device.id, now=time.monotonic())

    def judged_by(self, series: int) -> set[str]:
        """The name of the rule by which a series is waited for, if any."""
        return self._silence.judged_by(series)

    def observe(self, batch: Batch, outcome: NDArray[np.uint16]) -> list[Change]:
        """Take in a batch that bears its flags, and what the checks found; returns whose silence it ends."""
        rows = batch.rows
        batch.marks = self._tallies.tally.mark(rows, batch.newer, batch.delayed, checked_by(outcome))
        self._forecasts.observe(rows, batch.newer)
        return self._changes(self._silence.hear(rows["series"], time.monotonic()))

    def replay(self, rows: Rows, newer: NDArray[np.bool_], outcome: NDArray[np.uint16]) -> None:
        """Take in what was stored after the checkpoint: it is counted, and nobody is heard by it."""
        self._tallies.tally.mark(rows, newer, ~newer, checked_by(outcome))
        self._forecasts.observe(rows, newer)

    def go_back(self, series: NDArray[np.int32], now: int) -> None:
        """The clock by which we speak of these series was set back."""
        self._forecasts.go_back(series, now)

    def listen(self, *, away: bool) -> list[Change]:
        """Call about once a second: who has fallen silent; `away`: nobody can be heard."""
        return self._changes(self._silence.tick(time.monotonic(), away=away))

    def write(self, cursor: psycopg.Cursor, batch: Batch) -> None:
        """Write the counts of a batch in its transaction."""
        if batch.marks is None:
            return
        # What somebody else has stored meanwhile may have filled a slot: the table knows.
        doubt = DOUBTFUL if batch.amended else 0
        unstored = (batch.repeated, DUPLICATE | doubt), (batch.refused, REFUSED | doubt)
        self._tallies.write(cursor, batch.rows, batch.marks, *unstored)

    def expected(self) -> list[Expected]:
        """What is expected of the series that were heard since the last call."""
        return self._forecasts.news()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is remembered, by name, to be saved."""
        return {
            "tally": self._tallies.tally.state,
            "forecasts": self._forecasts.state(),
            "spokesmen": self._silence.spokesmen(),
        }

    def take_up(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Begin where a checkpoint ended."""
        if "tally" in saved:
            self._tallies.tally.take_up(saved["tally"])
        if "forecasts" in saved:
            self._forecasts.take_up(saved["forecasts"])

    def set_told(self, standing: Iterable[tuple[int, str]], saved: Mapping[str, NDArray[Any]]) -> None:
        """Go on from the alarms that stand, by series and rule."""
        self._silence.set_told(standing, saved["spokesmen"].tolist() if "spokesmen" in saved else [])

    def _changes(self, words: list[Word]) -> list[Change]:
        # Silence is judged by the hub's own time: nobody else's says anything of it.
        at, newest = from_us(now_us()), self._newest.times
        return [
            Change(
                word.version,
                word.series,
                LEVEL_NAMES.index(word.version.rule.level) if word.level == 0 else 0,
                word.level,
                at,
                from_us(int(newest[word.series])) if newest[word.series] != LONG_AGO else None,
                round(word.silent_s, 1),
                word.allowed_s,
            )
            for word in words
        ]

    def _in_service(self, slot: int) -> bool:
        return self._registry.watched(slot)
